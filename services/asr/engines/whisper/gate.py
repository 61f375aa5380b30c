"""Where in an utterance there is speech, by level alone. Pure.

The orchestrator sends audio around speech only, found by a real detector; this gate trims what is left of silence, so
that Whisper never hears a stretch without words. Noise that passes it is left to the no-speech verdict.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from services.common.audio import Float32

FRAME_MS = 20
QUIETEST_DB = -58.0
"""Below this level nothing is speech: recorded speech peaks above -40 dBFS, line noise lies below."""
BELOW_PEAK_DB = 30.0
"""Nothing that much quieter than the stream's loudest speech is speech: breath, room, the far end of a fade."""
ABOVE_FLOOR_DB = 6.0
"""Speech stands out of the stream's own noise by this much."""
FLOOR_FRAMES = 150
"""The floor is the quietest of these latest frames (3 s): nobody speaks that long without a stop or a breath."""
FLOOR_KNOWN_FRAMES = 50
WINDOW_FRAMES = 5
ONSET_FRAMES = 3
"""A frame counts as speech where this many of the latest `WINDOW_FRAMES` are loud: a click is none."""
PAUSE_MS = 800
"""A silence that parts two stretches; each is decoded for itself, and the silence never."""


@dataclass(slots=True)
class Stretch:
    """Speech between two pauses, in ms since the utterance's first sample."""

    start_ms: int
    end_ms: int


class LevelGate:
    """Follows one stream. Loudest speech and noise floor outlive an utterance: they belong to caller and line."""

    def __init__(self) -> None:
        self._peak_db = QUIETEST_DB
        self._floor: deque[float] = deque(maxlen=FLOOR_FRAMES)
        self.reset()

    def reset(self) -> None:
        """Begin another utterance."""
        self._recent: deque[bool] = deque(maxlen=WINDOW_FRAMES)
        self.levels_db: list[float] = []
        """Level of each frame of the utterance."""
        self.stretches: list[Stretch] = []
        self.quiet_ms = 0
        """Time since the latest loud frame, be it speech or the onset of it."""

    def feed(self, frames: Float32) -> None:
        """Take whole frames [N, FRAME_MS of samples] in [-1, 1)."""
        power = np.mean(frames * frames, axis=1)
        for level in (10 * np.log10(np.maximum(power, 1e-12))).tolist():
            self._take(level)

    def _take(self, level_db: float) -> None:
        loud = level_db > self._threshold_db()
        self._floor.append(level_db)
        self._recent.append(loud)
        self.levels_db.append(level_db)
        self.quiet_ms = 0 if loud else self.quiet_ms + FRAME_MS
        if not loud or sum(self._recent) < ONSET_FRAMES:
            return
        self._peak_db = max(self._peak_db, level_db)
        end_ms = len(self.levels_db) * FRAME_MS
        if self.stretches and end_ms - self.stretches[-1].end_ms <= PAUSE_MS:
            self.stretches[-1].end_ms = end_ms
        else:
            first = list(self._recent).index(True)
            self.stretches.append(Stretch(end_ms - (len(self._recent) - first) * FRAME_MS, end_ms))

    def _threshold_db(self) -> float:
        threshold = max(QUIETEST_DB, self._peak_db - BELOW_PEAK_DB)
        if len(self._floor) >= FLOOR_KNOWN_FRAMES:
            threshold = max(threshold, min(self._floor) + ABOVE_FLOOR_DB)
        return threshold

    def quietest_ms(self, from_ms: int, to_ms: int) -> int:
        """Return the middle of the quietest frame between two times: the best place to cut between two words."""
        first, last = from_ms // FRAME_MS, max(from_ms // FRAME_MS + 1, -(-to_ms // FRAME_MS))
        levels = self.levels_db[first:last]
        if not levels:
            return from_ms
        return (first + levels.index(min(levels))) * FRAME_MS + FRAME_MS // 2
