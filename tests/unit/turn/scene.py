"""Drives a tracker through a scene of speech, pauses, text and agent states."""

from __future__ import annotations

from services.common.expected import Expected
from services.turn.endpointing import TurnRules
from services.turn.engine import Capabilities, Frame
from services.turn.events import EndOfTurn, Hypothesis, TurnEvent
from services.turn.gate import GateRules
from services.turn.tracker import TurnTracker

FRAME_MS = 32


class Scene:
    """Drives a tracker frame by frame; the audio model answers at once with `judged`, unless that is None."""

    def __init__(
        self, judged: float | None = 0.95, *, uses_audio_model: bool = True, rules: TurnRules | None = None
    ) -> None:
        self.judged = judged
        capabilities = Capabilities("test", "test", 1, uses_audio_model, GateRules())
        self.at_ms = 0
        self.stopped_ms = 0.0
        self.tracker = TurnTracker(rules or TurnRules(), capabilities, lambda: (self.at_ms + self.stopped_ms) / 1000)
        self.events: list[TurnEvent] = []

    def _take(self, events: list[TurnEvent]) -> list[str]:
        question = self.tracker.take_question()
        if question is not None and self.judged is not None:
            events = events + self.tracker.answer(question.ticket, self.judged)
        self.events += events
        return [type(event).__name__ for event in events]

    def frames(self, probability: float, duration_ms: int, levels_dbfs: tuple[float, ...] = ()) -> list[str]:
        names: list[str] = []
        for _ in range(round(duration_ms / FRAME_MS)):
            frame = Frame(self.at_ms, self.at_ms + FRAME_MS, probability, levels_dbfs)
            self.at_ms += FRAME_MS
            names += self._take(self.tracker.hear([frame], self.at_ms))
        return names

    def speak(self, duration_ms: int = 640) -> list[str]:
        return self.frames(0.97, duration_ms)

    def pause(self, duration_ms: int) -> list[str]:
        return self.frames(0.01, duration_ms)

    def stop_audio(self, duration_ms: float) -> None:
        """Let real time pass in which the caller sends nothing: muted, or with a button to talk."""
        self.stopped_ms += duration_ms

    def text(self, text: str, **fields: object) -> list[str]:
        return self._take(self.tracker.read(Hypothesis(text, **fields)))  # type: ignore[arg-type]

    def agent(self, speaking: bool, expected: Expected = Expected.UNSPECIFIED, *, echo: bool = False) -> list[str]:
        return self._take(self.tracker.agent(speaking, expected, echo=echo))

    def miss(self, missing_ms: float) -> list[str]:
        self.stop_audio(missing_ms)
        return self._take(self.tracker.miss(missing_ms))

    def finish(self) -> list[str]:
        return self._take(self.tracker.finish())

    def end(self) -> EndOfTurn:
        ends = [event for event in self.events if isinstance(event, EndOfTurn)]
        assert len(ends) == 1
        return ends[0]
