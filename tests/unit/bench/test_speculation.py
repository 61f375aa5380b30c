"""What the bench of speculation makes of what callers were told."""

from __future__ import annotations

from typing import Any

import pytest

from bench.held import answers
from bench.speculation import MODES, counted, summary, tables, worst
from services.common.metrics import SPECULATION, SPECULATION_TOKENS_WASTED

pytestmark = pytest.mark.unit


def answer(response_ms: float, hidden_ms: int = 0, commit_to_audio_ms: float = 0.0) -> dict[str, Any]:
    return {
        "response_ms": response_ms,
        "commit_to_audio_ms": commit_to_audio_ms,
        "is_hit": hidden_ms > 0,
        "hidden_ms": hidden_ms,
    }


def told(*told_answers: dict[str, Any], barge_in_ms: float | None = None) -> dict[str, Any]:
    return {
        "answers": answers(told_answers),
        "barge_in": {"n": 3, "p50_ms": barge_in_ms, "p95_ms": barge_in_ms},
        "cpu_s_per_call_minute": 0.2,
        "other_processes_cores": 0.1,
        "failures": [],
    }


def test_what_lies_beyond_the_silence_that_ends_the_turn() -> None:
    made = summary(300, told(answer(310, 200, 1.0), answer(320, 190, 3.0), answer(505)))
    assert made["over_endpointing_p50_ms"] == 20
    assert made["hit_rate"] == pytest.approx(2 / 3, abs=0.001)
    assert made["hit_commit_to_audio"]["max_ms"] == 3.0
    assert made["hidden"]["p50_ms"] == 190
    assert summary(300, told())["hit_rate"] is None


def test_goals_are_held_to_the_worst_delay_and_to_the_answers_with_speculation() -> None:
    held = [
        {"mode": "on", "endpointing_ms": 200} | summary(200, told(answer(230, 150, 2.0))),
        {"mode": "off", "endpointing_ms": 200} | summary(200, told(answer(900))),
        {"mode": "on", "endpointing_ms": 300} | summary(300, told(answer(310, 200, 9.0))),
    ]
    spoken_over = [{"mode": mode} | summary(300, told(barge_in_ms=ms)) for mode, ms in (("on", 2.5), ("off", 2.0))]
    real = {"on": {"n": 8, "hits": 6, "p50_ms": 240.0}, "off": {"n": 8, "hits": 0, "p50_ms": 280.0}}
    assert worst(held, spoken_over, real) == {
        "over_endpointing_p50_ms": 30.0,
        "hit_commit_to_audio_p95_ms": 9.0,
        "barge_in_slower_p50_ms": 0.5,
        "real_p50_ms": 240.0,
        "real_miss_rate": 0.25,
    }


def test_counters_are_read_off_the_endpoint() -> None:
    text = (
        "# HELP parley_speculation_total work\n"
        'parley_speculation_total{kind="stream",outcome="discarded"} 7.0\n'
        'parley_speculation_total{kind="reply",outcome="hit"} 5.0\n'
        'parley_speculation_total{kind="reply",outcome="discarded"} 2.0\n'
        "parley_speculation_tokens_wasted_total 31.0\n"
    )
    assert counted(text, SPECULATION, 'kind="reply"', 'outcome="discarded"') == 2
    assert counted(text, SPECULATION_TOKENS_WASTED) == 31


def test_the_tables_tell_both_modes_side_by_side() -> None:
    counts = {"discarded": 1, "tokens_wasted": 4}
    held = [{"mode": m, "endpointing_ms": 200} | summary(200, told(answer(230, 150))) | counts for m in MODES]
    spread = {"p50_ms": 1.0, "p95_ms": 2.0}
    real = {mode: {"n": 4, "hits": 4, "hidden": spread, "cut_offs": 0} | spread for mode in MODES}
    result = {"held": held, "spoken_over": held, "real": real}
    for title, columns, rows in tables(result):
        assert title
        assert [len(row) for row in rows] == [len(columns)] * 2
        assert any("on" in cell for cell in rows[0])
