"""Frame probabilities to speech and silence: the smoothing between voice activity and turns. Pure, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class GateRules:
    """How many frames of what probability make speech, and how much silence ends it."""

    onset_frames: int = 2
    """Frames in a row at or over the threshold that start speech: a click or a breath is one frame."""
    sure_probability: float = 0.8
    """One frame this sure starts speech at once."""
    hysteresis: float = 0.15
    """Within speech a frame still counts this far below the threshold (Silero's own rule)."""
    stop_silence_ms: float = 96.0
    """Silence that ends speech: three frames of 32 ms; the closure of a plosive is shorter."""


class Change(Enum):
    """What one frame changed."""

    NONE = auto()
    STARTED = auto()
    STOPPED = auto()


class SpeechGate:
    """Decides, frame by frame, whether there is speech.

    `onset_ms` and `end_ms` are the current or last speech: dated back to the first frame over the threshold and to the
    end of the last one, not to when it was decided.
    """

    def __init__(self, rules: GateRules, threshold: float) -> None:
        self._onset_frames = rules.onset_frames
        self._stop_silence_ms = rules.stop_silence_ms
        self._threshold = threshold
        self._sure = max(threshold, rules.sure_probability)
        self._keep = max(threshold - rules.hysteresis, 0.01)
        self._run = 0
        self._run_onset_ms = 0.0
        self.in_speech = False
        self.onset_ms = 0.0
        self.end_ms = 0.0

    @property
    def suspects_onset(self) -> bool:
        """Whether the latest frame may be the first of new speech: the next one decides."""
        return self._run > 0

    def step(self, start_ms: float, end_ms: float, probability: float) -> Change:
        """Take the next frame."""
        if self.in_speech:
            if probability >= self._keep:
                self.end_ms = end_ms
                return Change.NONE
            return self.stop_after(end_ms - self.end_ms)
        if probability < self._threshold:
            self._run = 0
            return Change.NONE
        if self._run == 0:
            self._run_onset_ms = start_ms
        self._run += 1
        if self._run < self._onset_frames and probability < self._sure:
            return Change.NONE
        self._run = 0
        self.in_speech = True
        self.onset_ms, self.end_ms = self._run_onset_ms, end_ms
        return Change.STARTED

    def stop_after(self, silence_ms: float) -> Change:
        """End speech where `silence_ms` since its last frame is enough."""
        if not self.in_speech or silence_ms < self._stop_silence_ms:
            return Change.NONE
        self.in_speech = False
        return Change.STOPPED
