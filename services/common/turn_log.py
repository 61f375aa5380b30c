"""The turns' times as orchestrators leave them in Redis, for `parley latency`: a stream, one entry a turn, no words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

STREAM = "parley:turns"
MAX_ENTRIES = 10_000
"""About: Redis trims in whole nodes, so a few hundred more may be there."""
TTL_S = 7 * 24 * 3600
"""The stream goes this long after its last turn."""


@dataclass(frozen=True, slots=True)
class TurnEntry:
    """One turn. When it was: the entry's ID in the stream, by the Redis server's clock."""

    session_id: str
    agent: str
    epoch: int
    outcome: str
    """As in the turn summary: empty for an answer."""
    response_ms: float
    """Sum of the budget lines; 0 where the turn answered no speech, or was never heard."""
    lines_ms: dict[str, float] = field(default_factory=dict)
    """By budget line, in order. A line that could not be measured is not in it."""
    hidden_ms: float | None = None
    """What speculation hid of the answer; None: it was not begun on a guess."""

    def to_fields(self) -> dict[str, str]:
        """Return the fields of the stream's entry."""
        return {
            "session": self.session_id,
            "agent": self.agent,
            "epoch": str(self.epoch),
            "outcome": self.outcome,
            "response_ms": f"{self.response_ms:.3f}",
            "lines": json.dumps({name: round(ms, 3) for name, ms in self.lines_ms.items()}, separators=(",", ":")),
            "hidden_ms": "" if self.hidden_ms is None else f"{self.hidden_ms:.3f}",
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> TurnEntry:
        """Rebuild an entry. Raises ValueError where the fields are not those of `to_fields`."""
        try:
            hidden_ms = fields.get("hidden_ms", "")  # absent in the entries of an older release
            lines = {str(name): float(ms) for name, ms in json.loads(fields["lines"]).items()}
            return cls(
                fields["session"],
                fields["agent"],
                int(fields["epoch"]),
                fields["outcome"],
                float(fields["response_ms"]),
                lines,
                float(hidden_ms) if hidden_ms else None,
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"no entry of {STREAM}: {type(error).__name__}") from error
