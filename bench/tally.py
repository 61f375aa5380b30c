"""What callers saw, whatever system answered them. No I/O, no clock: moments are given, in seconds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.rhythm import Kind

_ENDINGS = (Kind.IN_SERIES, Kind.TRANSCRIPT_READY)


@dataclass(slots=True)
class Tally:
    """All callers' experience of the steady part; what goes wrong counts at any time."""

    is_steady: bool = False
    latency_ms: dict[str, list[float]] = field(default_factory=lambda: {kind.value: [] for kind in _ENDINGS})
    """By kind of ending: from the frame that ends a turn to the first audio of its answer."""
    barge_in_ms: list[float] = field(default_factory=list)
    """From the first frame spoken over an answer to the caller being told to be silent."""
    late_ms: list[float] = field(default_factory=list)
    echo_ms: list[float] = field(default_factory=list)
    sent: int = 0
    events: Counter[str] = field(default_factory=Counter)
    hops_ms: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """By hop, as the turn summaries tell them: (duration, of that the stage's server)."""
    answers: list[dict[str, float]] = field(default_factory=list)
    """Answers to speech, as their summaries tell: `response_ms`, `commit_to_audio_ms`, and of one that was begun on a
    guess (`is_hit`) `hidden_ms`."""
    unanswered: int = 0
    unnoticed: int = 0
    """Times that a caller spoke over an answer and was not heard until the end of what they said."""
    interrupted: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    """Calls at any time: "placed", "refused", "hung_up"."""
    failures: list[str] = field(default_factory=list)

    def result(self) -> dict[str, Any]:
        """Return all of it for a line of JSON."""
        return {
            "latency_ms": self.latency_ms,
            "barge_in_ms": self.barge_in_ms,
            "late_ms": self.late_ms,
            "echo_ms": self.echo_ms,
            "sent": self.sent,
            "events": self.events,
            "hops_ms": self.hops_ms,
            "answers": self.answers,
            "unanswered": self.unanswered,
            "unnoticed": self.unnoticed,
            "interrupted": self.interrupted,
            "calls": self.calls,
            "failures": self.failures,
        }


class Account:
    """One call's turns, noted into the tally as they come about.

    Audio does not say which answer it belongs to, so a turn is not timed where audio of an earlier one may still come:
    after an answer that was late beyond the next sentence, or that went on though the caller spoke over it.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._asked: tuple[float, str] | None = None
        self._barged_in_s: float | None = None
        self._is_answered = False
        self._is_doubtful = False

    def sends(self, kind: Kind, now_s: float) -> None:
        """Note that a frame is handed over, just before it is."""
        if kind is Kind.SILENCE:
            return
        if kind in _ENDINGS:
            self._asked, self._is_answered = (now_s, kind.value), False
            if self._barged_in_s is not None:
                self._barged_in_s, self._is_doubtful = None, True
                self._tally.unnoticed += self._tally.is_steady
            return
        if self._asked is not None:
            self._asked, self._is_doubtful = None, True
            self._tally.unanswered += self._tally.is_steady
        if kind is Kind.BARGE_IN and self._is_answered:
            self._barged_in_s = now_s

    def hears(self, now_s: float) -> bool:
        """Note that agent audio arrived; return whether it is the first of an answer."""
        if self._asked is None:
            return False
        (sent_s, kind), self._asked, self._is_answered = self._asked, None, True
        is_certain, self._is_doubtful = not self._is_doubtful, False
        if self._tally.is_steady and is_certain:
            self._tally.latency_ms[kind].append((now_s - sent_s) * 1000)
        return True

    def is_told_to_stop(self, now_s: float) -> None:
        """Note that the caller was told to play no more."""
        if self._barged_in_s is not None:
            if self._tally.is_steady:
                self._tally.barge_in_ms.append((now_s - self._barged_in_s) * 1000)
            self._barged_in_s = None
