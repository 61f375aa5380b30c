"""What of a turn's times is logged for `parley latency`."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.turn_log import TurnEntry
from services.orchestrator.latency import Line


def turn_entry(
    session_id: str, agent: str, epoch: int, outcome: str, lines: Sequence[Line], response_ms: float
) -> TurnEntry:
    """Return the entry of a turn that is complete."""
    return TurnEntry(
        session_id, agent, epoch, outcome, response_ms, {line.name: line.duration_ms for line in lines if line.is_known}
    )
