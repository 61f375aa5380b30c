"""Frame probabilities to speech and silence: the smoothing between voice activity and turns. Pure, no clock.

Voice activity says whether there is speech, the level where it ended: Silero's probability decays for about 100 ms
after the last sound, which would pass for speech.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    """Silence that ends speech, once the probability is down too: three frames; the closure of a plosive is shorter."""
    below_peak_db: float = 30.0
    """Sound further below the peak is the end of a word dying away or the line: as parley/measure.py has it."""
    peak_fall_db_per_s: float = 2.0
    """How fast the peak is forgotten: a voice that trails off is speech, whatever it began with."""


class Change(Enum):
    """What one frame changed."""

    NONE = auto()
    STARTED = auto()
    STOPPED = auto()


class SpeechGate:
    """Decides, frame by frame, whether there is speech.

    `onset_ms` and `end_ms` are the current or last speech: dated back to the first frame over the threshold and to the
    last sound of speech level in one, not to when it was decided. A frame without levels is all of speech level.
    """

    def __init__(self, rules: GateRules, threshold: float) -> None:
        self._rules = rules
        self._threshold = threshold
        self._sure = max(threshold, rules.sure_probability)
        self._keep = max(threshold - rules.hysteresis, 0.01)
        self._run = 0
        self._run_onset_ms = 0.0
        self._peak_dbfs = -math.inf
        self.in_speech = False
        self.onset_ms = 0.0
        self.end_ms = 0.0

    @property
    def suspects_onset(self) -> bool:
        """Whether the latest frame may be the first of new speech: the next one decides."""
        return self._run > 0

    def step(self, start_ms: float, end_ms: float, probability: float, levels_dbfs: Sequence[float] = ()) -> Change:
        """Take the next frame; `levels_dbfs` are those of equal parts of it."""
        if self.in_speech:
            if probability >= self._keep:
                self._extend(start_ms, end_ms, levels_dbfs)
                return Change.NONE
            return self.stop_after(end_ms - self.end_ms)
        if probability < self._threshold:
            self._run = 0
            return Change.NONE
        if self._run == 0:
            self._run_onset_ms = start_ms
        self._run += 1
        if self._run < self._rules.onset_frames and probability < self._sure:
            return Change.NONE
        self._run = 0
        self.in_speech = True
        self.onset_ms, self.end_ms = self._run_onset_ms, end_ms
        self._peak_dbfs = max(levels_dbfs, default=-math.inf)
        return Change.STARTED

    def stop_after(self, silence_ms: float) -> Change:
        """End speech where `silence_ms` since its last frame is enough."""
        if not self.in_speech or silence_ms < self._rules.stop_silence_ms:
            return Change.NONE
        self.in_speech = False
        return Change.STOPPED

    def _extend(self, start_ms: float, end_ms: float, levels_dbfs: Sequence[float]) -> None:
        """Move the end of speech to that of the frame's last part of speech level, if any."""
        if not levels_dbfs:
            self.end_ms = end_ms
            return
        fallen_dbfs = self._peak_dbfs - self._rules.peak_fall_db_per_s * (end_ms - start_ms) / 1000
        self._peak_dbfs = max(fallen_dbfs, *levels_dbfs)
        audible_dbfs = self._peak_dbfs - self._rules.below_peak_db
        for part in range(len(levels_dbfs), 0, -1):
            if levels_dbfs[part - 1] >= audible_dbfs:
                self.end_ms = start_ms + (end_ms - start_ms) * part / len(levels_dbfs)
                return
