"""One barge-in: what was seen of it, and what that means. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.observed import Changes, held_at, idle_from
from bench.stats import spread
from bench.tap import Passed

TIMES = (
    "onset_to_detected_ms",
    "detected_to_paused_ms",
    "onset_to_paused_ms",
    "onset_to_interruption_ms",
    "interruption_to_cleared_ms",
    "interruption_to_tts_cancelled_ms",
    "interruption_to_tts_idle_ms",
    "interruption_to_llm_idle_ms",
    "interruption_to_all_cancelled_ms",
)
_ALL = ("interruption_to_cleared_ms", "interruption_to_tts_idle_ms", "interruption_to_llm_idle_ms")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a barge-in, at the client and at the taps. `_ms` is the call's clock, `_s` time.monotonic()."""

    onset_ms: float
    """Where speech begins in the audio that was sent."""
    paused_ms: float | None
    cleared_ms: float | None
    call_clock_ms: float
    """To be added to time.monotonic(), in ms, to have the call's clock."""
    passed: Sequence[Passed]
    """What passed the taps since the caller spoke up."""
    llm: Changes
    tts: Changes

    @property
    def llm_was_running(self) -> bool:
        """Whether the model was still at work on the answer when it was interrupted."""
        since_s = self._interruption_s
        return since_s is not None and held_at(self.llm, since_s) > 0

    def tts_audio_after_cancel(self, epoch: int) -> int:
        """Return how much audio of the turn left the synthesis service after it was told to stop, in messages."""
        cancel_s = self._tts_cancel_s(epoch)
        if cancel_s is None:
            return 0
        return sum((p.stage, p.what, p.epoch) == ("tts", "audio", epoch) and p.at_s > cancel_s for p in self.passed)

    def times_ms(self, epoch: int) -> dict[str, float | None]:
        """Return each of TIMES; None where one of its ends was not seen."""
        detected = self._on_call(self._first("speech_started"))
        since_s = self._interruption_s
        interruption = self._on_call(since_s)
        times = {
            "onset_to_detected_ms": _between(self.onset_ms, detected),
            "detected_to_paused_ms": _between(detected, self.paused_ms),
            "onset_to_paused_ms": _between(self.onset_ms, self.paused_ms),
            "onset_to_interruption_ms": _between(self.onset_ms, interruption),
            "interruption_to_cleared_ms": _between(interruption, self.cleared_ms),
            "interruption_to_tts_cancelled_ms": _between(interruption, self._on_call(self._tts_cancel_s(epoch))),
            "interruption_to_tts_idle_ms": _between(interruption, self._on_call(self._idle_s(self.tts))),
            "interruption_to_llm_idle_ms": _between(interruption, self._on_call(self._idle_s(self.llm))),
        }
        parts = [part for name in _ALL if (part := times[name]) is not None]
        return times | {"interruption_to_all_cancelled_ms": max(parts) if len(parts) == len(_ALL) else None}

    @property
    def _interruption_s(self) -> float | None:
        return self._first("interruption", "end_of_turn")

    def _first(self, *whats: str) -> float | None:
        return next((p.at_s for p in self.passed if p.stage == "turn" and p.what in whats), None)

    def _tts_cancel_s(self, epoch: int) -> float | None:
        return next((p.at_s for p in self.passed if (p.stage, p.what, p.epoch) == ("tts", "cancel", epoch)), None)

    def _idle_s(self, engine: Changes) -> float | None:
        """Return when the engine was at rest; it must be before the next answer is begun."""
        since_s = self._interruption_s
        if since_s is None:
            return None
        next_s = next((p.at_s for p in self.passed if p.what == "config" and p.at_s > since_s), float("inf"))
        return idle_from(engine, since_s, next_s)

    def _on_call(self, at_s: float | None) -> float | None:
        return None if at_s is None else at_s * 1000 + self.call_clock_ms


def _between(first_ms: float | None, last_ms: float | None) -> float | None:
    return None if first_ms is None or last_ms is None else round(last_ms - first_ms, 2)


@dataclass(frozen=True, slots=True)
class Trial:
    """One barge-in and what came of it."""

    voice: str
    heard_before_ms: int
    """How much of the answer was heard when the caller spoke up."""
    outcome: str
    times_ms: Mapping[str, float | None] = field(default_factory=dict)
    llm_was_running: bool = False
    tts_audio_after_cancel: int = 0
    expected_words: tuple[str, ...] = ()
    heard_words: tuple[str, ...] = ()

    @property
    def is_heard_right(self) -> bool:
        """Whether the server's record of what was heard is right to the word."""
        return self.expected_words == self.heard_words


def summary(trials: Sequence[Trial], failures: Sequence[str], stale_frames: int) -> dict[str, Any]:
    """Return the content of barge_in.json."""
    wrong = [trial for trial in trials if not trial.is_heard_right]
    result: dict[str, Any] = {"trials": len(trials), "outcomes": dict(Counter(trial.outcome for trial in trials))}
    for name in TIMES:
        values = [value for trial in trials if (value := trial.times_ms.get(name)) is not None]
        result[name] = {"n": len(values)} | spread(values)
    return result | {
        "llm_was_running": sum(trial.llm_was_running for trial in trials),
        "tts_audio_after_cancel": sum(trial.tts_audio_after_cancel for trial in trials),
        "stale_frames": stale_frames,
        "heard_text_right": len(trials) - len(wrong),
        "heard_text_wrong": [
            {"expected": " ".join(trial.expected_words), "told": " ".join(trial.heard_words)} for trial in wrong
        ],
        "failures": list(failures),
        "each": [
            {"voice": trial.voice, "heard_before_ms": trial.heard_before_ms, "outcome": trial.outcome, **trial.times_ms}
            for trial in trials
        ],
    }
