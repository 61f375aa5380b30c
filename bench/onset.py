"""Where speech begins in a recording. Pure."""

from __future__ import annotations

import math

import numpy as np

from parley.measure import BELOW_PEAK_DB, FLOOR_DBFS, WINDOW_MS


def onset_ms(pcm: bytes, sample_rate_hz: int) -> float:
    """Return the start of the first speech in PCM16 audio, by the same rule as voice-to-voice finds its end.

    A window of 10 ms is speech within 30 dB of the loudest and above -55 dBFS, with another one after it. Raises
    ValueError where there is none.
    """
    size = sample_rate_hz * WINDOW_MS // 1000
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768)
    whole = len(samples) // size
    powers = np.mean(np.square(samples[: whole * size].reshape(whole, size)), axis=1).tolist()
    levels = [10 * math.log10(power) if power > 0 else -math.inf for power in powers]
    floor = max(max(levels, default=-math.inf) - BELOW_PEAK_DB, FLOOR_DBFS)
    for number in range(whole - 1):
        if levels[number] >= floor and levels[number + 1] >= floor:
            return float(number * WINDOW_MS)
    raise ValueError("there is no speech in this recording")
