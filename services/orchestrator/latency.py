"""Where a turn's time went: moments on one monotonic clock, cut into the lines of the budget, which lie end to end.

The caller's clock is never read. Two lines lie at the caller's side of it: `capture` is counted in audio (how much of
the chunk follows the last speech sample), and the two transits are halves of the round trip that the caller's
acknowledgements of playback show.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from services.common import spans

MARKS = {
    "stopped": spans.VAD_HOLD,
    "turn_over": spans.TURN_DECISION,
    "final": spans.ASR_FINALIZATION,
    "committed": spans.COMMIT,
    "asked": spans.PROMPT_BUILDING,
    "token": spans.LLM_FIRST_TOKEN,
    "phrase_sent": spans.PHRASE_WAIT,
    "audio": spans.TTS_FIRST_AUDIO,
    "released": spans.MIN_GAP,
    "played": spans.PLAYBACK_LEAD,
}
"""Each moment, in order, with the line that it ends."""
_QUEUES = {spans.LLM_FIRST_TOKEN: spans.LLM_QUEUE, spans.TTS_FIRST_AUDIO: spans.TTS_QUEUE}
"""Lines that begin with the server's queue, which is a line of its own."""
KEPT_ROUND_TRIPS = 8
"""Of the newest round trips the shortest counts: the rest of a longer one is the caller's delay in telling."""


class ServerTiming(Protocol):
    """What a stage's server says of a response, in microseconds of its own clock; the protobuf message fits."""

    received_to_sent_us: int
    queue_us: int
    engine_us: int


class Exchange(NamedTuple):
    """A request to a stage and its answer: measured here, and as the server accounts for it on its own clock."""

    client_ms: float
    server_ms: float
    queue_ms: float = 0.0
    engine_ms: float = 0.0

    @property
    def network_ms(self) -> float:
        """The network's share, both ways, with the two gRPC stacks; no clock is compared with another's."""
        return max(0.0, self.client_ms - self.server_ms)

    @classmethod
    def of(cls, timing: ServerTiming, asked_s: float, answered_s: float) -> Exchange:
        """Return the exchange that began and ended here at these moments of the monotonic clock."""
        return cls(
            max(0.0, answered_s - asked_s) * 1000,
            timing.received_to_sent_us / 1000,
            timing.queue_us / 1000,
            timing.engine_us / 1000,
        )


class Line(NamedTuple):
    """One line of a turn's budget, in seconds of the monotonic clock."""

    name: str
    begin_s: float
    end_s: float
    exchange: Exchange | None = None
    is_known: bool = True

    @property
    def duration_ms(self) -> float:
        """How long it took."""
        return (self.end_s - self.begin_s) * 1000


@dataclass(slots=True)
class Marks:
    """When what happened in one turn, in seconds of the monotonic clock; only the first of each counts."""

    arrived_s: float | None = None
    """When the chunk that holds the caller's last speech sample arrived; None: the turn answers no speech."""
    capture_ms: float = 0.0
    """Audio of that chunk after the sample."""
    at_s: dict[str, float] = field(default_factory=dict)
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    """By line."""

    def mark(self, name: str, at_s: float | None = None) -> None:
        """Note that `name` (one of MARKS) happened now, or at `at_s`."""
        self.at_s.setdefault(name, time.monotonic() if at_s is None else at_s)

    def exchange(self, line: str, timing: ServerTiming, asked_s: float, answered_s: float | None = None) -> None:
        """Note the exchange that ended a line, now or at `answered_s`."""
        answered_s = time.monotonic() if answered_s is None else answered_s
        self.exchanges.setdefault(line, Exchange.of(timing, asked_s, answered_s))

    def join(self, turn: Marks) -> None:
        """Add the marks of the turn itself to those of an answer that was begun before they were known."""
        self.arrived_s, self.capture_ms = turn.arrived_s, turn.capture_ms
        self.at_s = turn.at_s | self.at_s
        self.exchanges = turn.exchanges | self.exchanges

    def lines(self, round_trip_ms: float | None) -> list[Line]:
        """Return the lines that are known, end to end. `round_trip_ms` is the caller's; None: not known.

        A moment that never came has no line, and the next line begins at the last one that did. One that came before
        the line that it ends began (a transcript that was final early, an answer that was begun on a guess) makes the
        line 0. Typed text has no end of
        speech: its lines begin with the first moment.
        """
        half_s = (round_trip_ms or 0.0) / 2000
        is_known = round_trip_ms is not None
        found: list[Line] = []
        since_s = self.arrived_s
        if since_s is not None:
            complete_s = since_s - half_s
            found.append(Line(spans.CAPTURE, complete_s - self.capture_ms / 1000, complete_s))
            found.append(Line(spans.TRANSIT_IN, complete_s, since_s, is_known=is_known))
        last_s = self.at_s.get("played", float("inf"))
        for mark, name in MARKS.items():
            at_s = self.at_s.get(mark)
            if at_s is None:
                continue
            end_s = min(at_s, last_s) if since_s is None else max(since_s, min(at_s, last_s))
            if since_s is not None:
                found += self._cut(name, since_s, end_s)
            since_s = end_s
        if found and since_s is not None and "played" in self.at_s:
            found.append(Line(spans.TRANSIT_OUT, since_s, since_s + half_s, is_known=is_known))
        return found

    def _cut(self, name: str, begin_s: float, end_s: float) -> list[Line]:
        exchange = self.exchanges.get(name)
        queue = _QUEUES.get(name)
        if queue is None:
            return [Line(name, begin_s, end_s, exchange)]
        queued_s = begin_s if exchange is None else min(end_s, begin_s + exchange.queue_ms / 1000)
        return [Line(queue, begin_s, queued_s), Line(name, queued_s, end_s, exchange)]

    def response_ms(self, round_trip_ms: float | None) -> float:
        """From the caller's last speech sample to the first agent audio at the caller; 0 while unknown."""
        if self.arrived_s is None or "played" not in self.at_s:
            return 0.0
        lines = self.lines(round_trip_ms)
        return (lines[-1].end_s - lines[0].begin_s) * 1000


class RoundTrip:
    """The caller's round trip, from the first frame of each turn to the first acknowledgement of it.

    What the caller says it has played meanwhile is no part of it.
    """

    def __init__(self) -> None:
        self._samples_ms: deque[float] = deque(maxlen=KEPT_ROUND_TRIPS)
        self._epoch = 0
        self._sent_s: float | None = None

    @property
    def ms(self) -> float | None:
        """The newest estimate; None where the caller has acknowledged nothing yet."""
        return min(self._samples_ms, default=None)

    def sent(self, epoch: int, at_s: float) -> None:
        """Note that the first frame of a turn was handed over."""
        self._epoch, self._sent_s = epoch, at_s

    def acknowledged(self, epoch: int, played_ms: float, at_s: float) -> None:
        """Note what the caller says it has played of a turn; only the first word on each counts."""
        if self._sent_s is not None and epoch == self._epoch:
            self._samples_ms.append(max(0.0, (at_s - self._sent_s) * 1000 - played_ms))
            self._sent_s = None

    def forget(self) -> None:
        """Wait no longer for the acknowledgement: playback was paused, so time and audio played part."""
        self._sent_s = None
