"""The analysis as JSON."""

from __future__ import annotations

from typing import Any

from parley.latency.budget import Budget
from parley.latency.statistics import PERCENTILES, Analysis, Row, Turn, Waterfall, few_turns, percentile

SLOWEST = 5


def document(analysis: Analysis, budget: Budget, profile: str, source: str, others: int) -> dict[str, Any]:
    """Return all that the terminal shows. `others`: turns that answered no speech."""
    count = len(analysis.turns)
    return {
        "source": source,
        "profile": profile,
        "turns": count,
        "other_turns": others,
        "caution": few_turns(count),
        "is_within": analysis.is_within,
        "voice_to_voice": _row(analysis.whole),
        "lines": [
            {"line": row.name, "owner": row.owner}
            | _row(row)
            | ({"what_to_do": budget.what_to_do[row.name]} if row.is_over else {})
            for row in analysis.worst_first
        ],
        "typical_turn": _waterfall(analysis.typical),
        "slow_turn": _waterfall(analysis.slow),
        "slowest": [_turn(turn) for turn in analysis.turns[:SLOWEST]],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        **{f"p{percent}_ms": round(percentile(row.values_ms, percent), 1) for percent in PERCENTILES},
        "turns": len(row.values_ms),
        "budget": {"p50_ms": row.target.p50_ms, "p95_ms": row.target.p95_ms},
        "over_ms": round(max(0.0, row.over_ms), 1),
        "over_at": row.over_at,
    }


def _waterfall(waterfall: Waterfall) -> dict[str, Any]:
    return {
        "turns": waterfall.turns,
        "total_ms": round(waterfall.total_ms, 1),
        "lines_ms": {name: round(ms, 1) for name, ms in waterfall.parts_ms.items()},
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "session_id": turn.session_id,
        "agent": turn.agent,
        "turn": turn.epoch,
        "outcome": turn.outcome,
        "at_s": turn.at_s,
        "total_ms": round(turn.total_ms, 1),
        "lines_ms": {name: round(ms, 1) for name, ms in turn.lines_ms.items()},
    }
