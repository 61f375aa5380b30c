"""Where a turn's time went: marks on one clock, cut into hops that lie end to end and so add up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

HOPS = ("endpointing", "transcript", "first_token", "phrase", "first_audio", "playback")
"""Names of the hops in order; each ends at the mark of the same place in `MARKS`."""
MARKS = ("turn_over", "committed", "token", "phrase_sent", "audio", "played")


@dataclass(slots=True)
class Marks:
    """When what happened in one turn, in seconds of the monotonic clock; only the first of each counts."""

    speech_end_s: float | None = None
    at_s: dict[str, float] = field(default_factory=dict)
    server_ms: dict[str, float] = field(default_factory=dict)

    def mark(self, name: str, at_s: float | None = None) -> None:
        """Note that `name` (one of MARKS) happened now, or at `at_s`."""
        self.at_s.setdefault(name, time.monotonic() if at_s is None else at_s)

    def server(self, hop: str, received_to_sent_us: int) -> None:
        """Note what the stage's server accounts for of a hop."""
        self.server_ms.setdefault(hop, received_to_sent_us / 1000)

    def hops(self) -> list[tuple[str, float, float]]:
        """Return (name, duration_ms, server_ms) of each hop that is known, end to end from the end of speech."""
        found = []
        since_s = self.speech_end_s
        for hop, name in zip(HOPS, MARKS, strict=True):
            at_s = self.at_s.get(name)
            if at_s is None:
                continue
            if since_s is not None:
                found.append((hop, max(0.0, at_s - since_s) * 1000, self.server_ms.get(hop, 0.0)))
            since_s = max(at_s, since_s or at_s)
        return found

    @property
    def response_ms(self) -> float:
        """From the end of speech to the first agent audio; 0 while unknown."""
        played_s = self.at_s.get("played")
        if self.speech_end_s is None or played_s is None:
            return 0.0
        return (played_s - self.speech_end_s) * 1000
