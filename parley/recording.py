"""A stereo recording of a call as it sounded at the caller's end: caller left, agent right."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from services.common.audio import BYTES_PER_SAMPLE


class CallRecording:
    """Two tracks on one clock. Memory: 64 kB for a second of both at 16 kHz."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._caller = bytearray()
        self._agent = bytearray()

    def add_caller(self, at_sample: int, pcm: bytes) -> None:
        """Lay what the caller said at `at_sample`, in order."""
        _lay(self._caller, at_sample, pcm)

    def add_agent(self, at_sample: int, pcm: bytes) -> None:
        """Lay what the caller heard at `at_sample`, in order. What was never played is never laid: silence."""
        _lay(self._agent, at_sample, pcm)

    @property
    def duration_ms(self) -> float:
        """Length of the longer track."""
        return max(len(self._caller), len(self._agent)) * 1000 / (BYTES_PER_SAMPLE * self._rate_hz)

    def write(self, path: Path) -> None:
        """Write the recording as a stereo 16-bit WAV file, making its folder."""
        size = max(len(self._caller), len(self._agent))
        tracks = [np.frombuffer(bytes(track.ljust(size, b"\0")), dtype="<i2") for track in (self._caller, self._agent)]
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(BYTES_PER_SAMPLE)
            out.setframerate(self._rate_hz)
            out.writeframes(np.stack(tracks, axis=1).tobytes())


def _lay(track: bytearray, at_sample: int, pcm: bytes) -> None:
    gap = at_sample * BYTES_PER_SAMPLE - len(track)
    if gap > 0:
        track.extend(bytes(gap))
    track.extend(pcm)
