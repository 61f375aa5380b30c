"""How loud a caller's sound is beside the noise of the line and the caller's own voice. Pure, no clock."""

from __future__ import annotations

import audioop
from enum import Enum, auto

QUIETEST_POWER = 32768.0**2 * 10 ** (-60 / 10)
"""-60 dBFS as mean square: below, a line counts as silent whatever its noise."""
NOISE_RISE_PER_MS = 0.69e-3
"""The noise is the least of what was heard, and believed to grow by 3 dB a second (0.69 is 3 dB, natural logarithm)."""
VOICE_FALL_PER_MS = 1.38e-3
"""The voice is the loudest of what was heard, forgotten by 6 dB a second."""
NEAR_NOISE = 4.0
"""6 dB: within that of the noise it is noise, or speech that no detector makes out."""
ABOVE_NOISE = 10.0
"""10 dB: beyond that of the noise it is not noise."""
NEAR_VOICE = 0.01
"""-20 dB: within that of the voice it is not a word that dies away."""


class Sound(Enum):
    """What a piece of audio is by its level alone."""

    QUIET = auto()
    """As loud as the line is when nobody speaks."""
    UNCERTAIN = auto()
    LOUD = auto()
    """As loud as speech has been on this line."""


class Loudness:
    """Follows one line. It starts as a silent one, so steady noise is UNCERTAIN until it has been learnt."""

    def __init__(self) -> None:
        self._noise = QUIETEST_POWER
        self._voice = 0.0

    def take(self, pcm: bytes, duration_ms: float) -> Sound:
        """Return what these samples are: PCM16, `duration_ms` long."""
        rms = audioop.rms(pcm, 2)
        power = rms * rms
        self._noise = max(QUIETEST_POWER, min(power, self._noise * (1 + NOISE_RISE_PER_MS * duration_ms)))
        self._voice = max(power, self._voice * (1 - VOICE_FALL_PER_MS * duration_ms))
        if power <= self._noise * NEAR_NOISE:
            return Sound.QUIET
        is_voice = power >= self._noise * ABOVE_NOISE and power >= self._voice * NEAR_VOICE
        return Sound.LOUD if is_voice else Sound.UNCERTAIN
