"""What of a turn's times is logged for `parley latency`."""

from __future__ import annotations

from collections.abc import Sequence

from services.common.turn_log import TurnEntry
from services.orchestrator.latency import Line
from services.orchestrator.reply import Reply


def turn_entry(session_id: str, agent: str, reply: Reply, lines: Sequence[Line], response_ms: float) -> TurnEntry:
    """Return the entry of a turn that is complete."""
    known = {line.name: line.duration_ms for line in lines if line.is_known}
    return TurnEntry(session_id, agent, reply.epoch, reply.outcome, response_ms, known, reply.hidden_ms)
