"""Voice-to-voice latency, measured where the caller sits.

Method. The samples that were sent are cut into windows of 10 ms. A window is speech where its RMS lies within 30 dB of
the loudest window of the utterance and above -55 dBFS, and the window before it is speech too (a click is none). The
utterance is what was sent since the speech that the last answer answered. `voice_to_voice_ms` is the time from the end
of the last such window to the arrival of the first audio of the agent's turn. A quiet word ending below the threshold
counts as silence, which makes the figure larger, never smaller.

A sample's place in time is where a microphone would have recorded it: a chunk that is sent at t ends at t. The chunks
of an unbroken stream lie end to end, shifted by the least delay that any of them had, so the jitter of sending does not
matter. No speech since the last answer (a greeting, an idle prompt, typed text) gives None.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from services.common.audio import BYTES_PER_SAMPLE

WINDOW_MS = 10
BELOW_PEAK_DB = 30.0
FLOOR_DBFS = -55.0
KEPT_WINDOWS = 6000
"""A minute: no utterance is answered later than that."""
GAP_MS = 80
"""Sending that stops for longer than this is a gap in the stream, and the clock is read anew."""


@dataclass(frozen=True, slots=True)
class _Window:
    end: float
    """Where it ends on the call's clock, in samples, before the shift."""
    level_dbfs: float
    segment: int


class SentAudio:
    """Places sent chunks on the call's clock, in samples since the call began."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._slack = sample_rate_hz * GAP_MS // 1000
        self._end: int | None = None
        self.segment = 0
        self.shifts: list[int] = [0]
        """By segment: the least delay of its chunks, relative to its first (0 or negative)."""

    def place(self, samples: int, at: int) -> int:
        """Return where a chunk of `samples`, sent at `at`, begins."""
        begin = at - samples
        if self._end is None or begin - self._end > self._slack:
            if self._end is not None:
                self.segment += 1
                self.shifts.append(0)
            placed = max(begin, self._end or 0, 0)
        else:
            placed = self._end
            self.shifts[self.segment] = min(self.shifts[self.segment], at - (placed + samples))
        self._end = placed + samples
        return placed


class LatencyMeter:
    """Listens to what is sent and notes when the first audio of each turn arrives."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._window = sample_rate_hz * WINDOW_MS // 1000
        self._placement = SentAudio(sample_rate_hz)
        self._windows: deque[_Window] = deque(maxlen=KEPT_WINDOWS)
        self._rest = np.zeros(0, dtype=np.int16)
        self._answered = -math.inf
        self._measured: dict[int, float | None] = {}

    def sent(self, pcm: bytes, at: int) -> None:
        """Note a chunk that was sent at `at`."""
        segment = self._placement.segment
        begin = self._placement.place(len(pcm) // BYTES_PER_SAMPLE, at)
        if self._placement.segment != segment:
            self._rest = self._rest[:0]
        samples = np.concatenate([self._rest, np.frombuffer(pcm, dtype="<i2")])
        start = begin - len(self._rest)
        whole = len(samples) // self._window
        if whole:
            cut = samples[: whole * self._window].reshape(whole, self._window).astype(np.float32)
            powers = np.mean(np.square(cut / 32768), axis=1)
            for index, power in enumerate(powers.tolist()):
                end = start + (index + 1) * self._window
                level = 10 * math.log10(power) if power > 0 else -math.inf
                self._windows.append(_Window(end, level, self._placement.segment))
        self._rest = samples[whole * self._window :]

    def agent_audio(self, turn_epoch: int, at: int) -> bool:
        """Note agent audio that arrived at `at`. Returns whether it is the first of its turn."""
        if turn_epoch in self._measured:
            return False
        last = self._last_speech()
        if last is None:
            self._measured[turn_epoch] = None
        else:
            self._answered = last.end
            spoken_at = min(last.end + self._placement.shifts[last.segment], at)
            self._measured[turn_epoch] = (at - spoken_at) * 1000 / self._rate_hz
        return True

    def voice_to_voice_ms(self, turn_epoch: int) -> float | None:
        """Return the turn's voice-to-voice latency; None where it answered no speech."""
        return self._measured.get(turn_epoch)

    def _last_speech(self) -> _Window | None:
        fresh = [window for window in self._windows if window.end > self._answered]
        if len(fresh) < 2:
            return None
        threshold = max(max(window.level_dbfs for window in fresh) - BELOW_PEAK_DB, FLOOR_DBFS)
        for before, window in zip(reversed(fresh[:-1]), reversed(fresh[1:]), strict=True):
            if window.level_dbfs >= threshold and before.level_dbfs >= threshold:
                return window
        return None
