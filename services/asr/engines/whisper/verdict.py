"""Whether a hypothesis is to be believed. Pure.

On near-silence Whisper writes what its training data ended with. It says so itself: the no-speech probability is high
and the text improbable (Radford et al. 2022, section 4.5: 0.6 and -1). Of a known phantom it is often sure: there
the no-speech probability is enough, never the words alone, for people do say "thank you".
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from services.asr.engines.whisper.transcript import Heard

PHANTOMS = frozenset(
    {
        "thank you", "thanks for watching", "thank you for watching", "thank you very much", "please subscribe", "you",
        "bye", "bye bye", "the end", "subtitles by the amaraorg community", "untertitel der amaraorg community",
        "untertitel im auftrag des zdf für funk 2017", "vielen dank",
        "sous-titres réalisés par la communauté damaraorg",
        "ご視聴ありがとうございました", "谢谢观看",
    }
)  # fmt: skip
LOOP_COMPRESSION = 2.4
"""Text that zlib shrinks by more than this repeats itself (Radford et al. 2022, section 4.5)."""
LOOP_REPEATS = 4
LOOP_WORDS = 8


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a text counts as imagined."""

    no_speech: float = 0.6
    """Rejected from this no-speech probability on ..."""
    log_probability: float = -1.0
    """... where the tokens' mean log probability is below this."""
    phantom_no_speech: float = 0.3
    """A known phantom is rejected from this on where improbable; from `no_speech` on however sure the model is."""
    phantom_log_probability: float = -0.4
    """Below this a known phantom is improbable."""


def is_imagined(words: Sequence[Heard], no_speech: float, log_probability: float, limits: Thresholds) -> bool:
    """Return whether a text comes from the model alone, with no speech behind it."""
    says_silence = no_speech >= limits.no_speech
    if says_silence and log_probability < limits.log_probability:
        return True
    if " ".join(filter(None, (word.key for word in words))) not in PHANTOMS:
        return False
    return says_silence or (no_speech >= limits.phantom_no_speech and log_probability < limits.phantom_log_probability)


def without_loops(words: Sequence[Heard]) -> tuple[Heard, ...]:
    """Return the words with a run of repetitions kept once, where the whole text is one that repeats itself."""
    text = "".join(word.text for word in words).encode()
    if not text or len(text) / len(zlib.compress(text)) < LOOP_COMPRESSION:
        return tuple(words)
    kept: list[Heard] = []
    place = 0
    while place < len(words):
        size = _loop_at(words, place)
        kept += words[place : place + max(1, size)]
        place += max(1, size)
        while size and _same(words, place - size, place, size):
            place += size
    return tuple(kept)


def _loop_at(words: Sequence[Heard], place: int) -> int:
    """Return how many words repeat `LOOP_REPEATS` times from `place` on; 0: none do."""
    for size in range(1, LOOP_WORDS + 1):
        if all(_same(words, place, place + size * again, size) for again in range(1, LOOP_REPEATS)):
            return size
    return 0


def _same(words: Sequence[Heard], first: int, second: int, size: int) -> bool:
    if second + size > len(words):
        return False
    return all(words[first + at].key == words[second + at].key for at in range(size))


def confidence(words: Sequence[Heard]) -> float:
    """Return the confidence in a whole text: the geometric mean of its words' probabilities; 0 without words."""
    if not words:
        return 0.0
    return math.exp(sum(math.log(max(word.probability, 1e-6)) for word in words) / len(words))
