"""The speech gate: which frames may become words at all. Silence and steady noise never reach a decoder."""

from __future__ import annotations

from collections import deque

import numpy as np
from pocketsphinx import Vad

from services.common.audio import BYTES_PER_SAMPLE

SAMPLE_RATE_HZ = 16_000
BYTES_PER_MS = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE // 1000
GATE_FRAME_MS = 30
GATE_FRAME_BYTES = GATE_FRAME_MS * BYTES_PER_MS
ONSET_FRAMES = 3
"""Speech has begun when this many of the last `ONSET_WINDOW` frames are speech."""
ONSET_WINDOW = 5
QUIETEST_DB = -58.0
"""Below this level nothing is speech: recorded speech peaks above -40 dBFS, line noise lies below."""
BELOW_PEAK_DB = 30.0
"""Nothing that much quieter than the stream's loudest speech is speech: breath, room, the far end of a fade."""


def level_db(pcm: bytes) -> float:
    """Return the level of PCM16 samples in dB relative to full scale."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    power = float(np.mean(samples * samples)) if len(samples) else 0.0
    return 10 * float(np.log10(max(power, 1e-4) / 32768**2))


class SpeechGate:
    """WebRTC's voice activity detector (inside pocketsphinx) joined with two level rules, frame by frame."""

    def __init__(self) -> None:
        self._vad = Vad(Vad.STRICT, SAMPLE_RATE_HZ, GATE_FRAME_MS / 1000)
        self._recent: deque[bool] = deque(maxlen=ONSET_WINDOW)
        self.peak_db = QUIETEST_DB

    def is_speech(self, frame: bytes) -> bool:
        """Classify one frame of `GATE_FRAME_BYTES`."""
        voiced = bool(self._vad.is_speech(frame))
        level = level_db(frame)
        speech = voiced and level > max(QUIETEST_DB, self.peak_db - BELOW_PEAK_DB)
        if speech:
            self.peak_db = max(level, self.peak_db)
        self._recent.append(speech)
        return speech

    @property
    def has_onset(self) -> bool:
        """Whether the latest frames together are the beginning of speech."""
        return sum(self._recent) >= ONSET_FRAMES

    def clear(self) -> None:
        """Forget the latest frames, so that the next onset must be a new one."""
        self._recent.clear()
