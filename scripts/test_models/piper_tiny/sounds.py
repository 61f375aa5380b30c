"""What each phoneme of piper-tiny sounds like: the figures of the graph, which tests hold the sound against."""

from __future__ import annotations

from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

SAMPLE_RATE_HZ = 22050
HOP = 256
"""Samples in a frame, the unit of a phoneme's length, as in real voices."""
SYMBOLS = 256
LOUDNESS = 0.3
PHONEME_FRAMES = 4
"""How long a phoneme that sounds is at length scale 1: 46 ms. All lengths are even, so that half of each is whole."""
_STRESS = ("\u02c8", "\u02cc")
_SILENT_FRAMES = {
    **dict.fromkeys(("_", "^", "$", *_STRESS), 2),
    " ": 4,
    **dict.fromkeys(",-:;", 8),
    **dict.fromkeys(".!?", 12),
}


def pitch_hz(phoneme_id: int, speaker: int = 0) -> float:
    """Return the pitch of a phoneme; the second speaker's is a quarter higher."""
    return (150 + 20 * phoneme_id) * (1 + 0.25 * speaker)


def frames() -> list[int]:
    """Return the length of each id in frames at length scale 1."""
    lengths = [PHONEME_FRAMES] * SYMBOLS
    for phoneme, length in _SILENT_FRAMES.items():
        lengths[DEFAULT_PHONEME_ID_MAP[phoneme][0]] = length
    return lengths


def loudness() -> list[float]:
    """Return the amplitude of each id: nothing for pauses, stress marks and what joins phonemes."""
    levels = [LOUDNESS] * SYMBOLS
    for phoneme in _SILENT_FRAMES:
        levels[DEFAULT_PHONEME_ID_MAP[phoneme][0]] = 0.0
    return levels
