"""A stereo recording of a call as it sounded at the caller's end: caller left, agent right."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from parley.wav import write_wav
from services.common.audio import BYTES_PER_SAMPLE

CATCH_UP_S = 2.0
"""Chunks that were held up are sent in a burst within that time; a stream that stays late has really paused."""


class CallRecording:
    """Two tracks on one clock, in samples since the call began. Memory: 64 kB for a second of both at 16 kHz."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._sent: list[tuple[int, bytes]] = []
        self._agent = bytearray()

    def add_caller(self, sent_at: int, pcm: bytes) -> None:
        """Take what the caller said: its last sample was recorded at `sent_at`, or a little before."""
        self._sent.append((sent_at, pcm))

    def add_agent(self, at_sample: int, pcm: bytes) -> None:
        """Lay what the caller heard at `at_sample`, in order. What was never played is never laid: silence."""
        _lay(self._agent, at_sample, pcm)

    def write(self, path: Path) -> None:
        """Write the recording as a stereo 16-bit WAV file, making its folder. Raises AudioFileError."""
        caller = self._caller()
        size = max(len(caller), len(self._agent))
        tracks = [np.frombuffer(bytes(track.ljust(size, b"\0")), dtype="<i2") for track in (caller, self._agent)]
        write_wav(path, np.stack(tracks, axis=1).tobytes(), self._rate_hz, channels=2)

    def _caller(self) -> bytearray:
        track = bytearray()
        sizes = [len(pcm) // BYTES_PER_SAMPLE for _, pcm in self._sent]
        begins = place_chunks([at for at, _ in self._sent], sizes, round(CATCH_UP_S * self._rate_hz))
        for begin, (_, pcm) in zip(begins, self._sent, strict=True):
            _lay(track, begin, pcm)
        return track


def place_chunks(sent_at: Sequence[int], sizes: Sequence[int], catch_up: int) -> list[int]:
    """Return where chunks begin that were sent at these times, on the clock of a microphone that never stood still.

    A chunk's delay is the least that it or any sent within `catch_up` after it had; so a stall of the sender, which it
    makes up for with a burst, leaves no hole.
    """
    ends = list(accumulate(sizes))
    delays = [at - end for at, end in zip(sent_at, ends, strict=True)]
    begins = [0] * len(sizes)
    window: deque[int] = deque()  # of the chunks ahead, those with the least delays, the least last
    for index in reversed(range(len(sizes))):
        while window and delays[window[0]] >= delays[index]:
            window.popleft()
        window.appendleft(index)
        while sent_at[window[-1]] - sent_at[index] > catch_up:
            window.pop()
        begins[index] = max(0, ends[index] - sizes[index] + delays[window[-1]])
    return begins


def _lay(track: bytearray, at_sample: int, pcm: bytes) -> None:
    gap = at_sample * BYTES_PER_SAMPLE - len(track)
    if gap > 0:
        track.extend(bytes(gap))
    track.extend(pcm)
