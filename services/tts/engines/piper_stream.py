# ruff: noqa: RUF001 (IPA is made of look-alikes)
"""How a sentence's audio is cut: which frames are decoded at a time, and where its silence ends and begins. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from services.common.audio import Float32

_QUIET = 10 ** (-50 / 20)
"""Of full scale, after the voice's gain: below it lies the noise of a voice's pauses."""
_LEAD_IN_MS = 10
_TAIL_MS = 20
"""Kept around what is heard: a weak consonant begins and ends below `_QUIET`."""


@dataclass(frozen=True, slots=True)
class Window:
    """Frames that are decoded together: [start, end) is used, what is around it is heard and thrown away."""

    start: int
    end: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a voice decodes, and what windows are wanted of it, in frames."""

    first: int
    longest: int
    halo: int
    """How many frames to either side a frame's audio depends on."""
    cost: float
    """The time that a frame takes to decode, as a share of the time that it lasts."""


_CLOSE = 0.8
"""Share of what there is still to hear in which the next piece should be made."""
_SLOWEST = 0.6
"""A decoder slower than this leaves gaps whatever is done; then it is better to begin than to be silent to the end."""


def windows(frames: int, pace: Pace) -> Iterator[Window]:
    """Yield the windows of a latent of that many frames: each made before those ahead of it are heard out, if it can.

    A window of s frames takes (s + 2 halo) cost to make; by that the first one is longer than asked for where the
    decoder is slow, and the others at most twice the one before. With its halo, a window's audio is the same as that of
    frames decoded at once. A rest shorter than half a window goes with the one before.
    """
    cost, halo = min(pace.cost, _SLOWEST), pace.halo
    size = max(pace.first, math.ceil(2 * halo * cost / (_CLOSE - cost)))
    least, start, unheard = size, 0, 0.0
    while start < frames:
        end = start + size
        if frames - end < size // 2:
            end = frames
        yield Window(start, end, before=min(halo, start), after=min(halo, frames - end))
        unheard += size - (cost * (size + 2 * halo) if start else 0)
        start, affordable = end, int(_CLOSE * unheard / max(cost, 1e-6)) - 2 * halo
        size = max(least, min(affordable, 2 * size, pace.longest))


def silence_before(samples: Float32, rate_hz: int) -> int:
    """Return how many samples of silence to cut off in front; none where nothing in them is heard."""
    loud = np.flatnonzero(np.abs(samples) > _QUIET)
    return max(0, int(loud[0]) - _LEAD_IN_MS * rate_hz // 1000) if len(loud) else 0


def silence_after(samples: Float32, rate_hz: int, keep: int) -> int:
    """Return how many samples of silence to cut off at the end, leaving at least the first `keep`."""
    loud = np.flatnonzero(np.abs(samples) > _QUIET)
    last = int(loud[-1]) + 1 + _TAIL_MS * rate_hz // 1000 if len(loud) else 0
    return max(0, len(samples) - max(last, keep))


def clauses(sentence: Sequence[str], shortest: int) -> list[tuple[int, int]]:
    """Return the sentence as [start, end) of its clauses, none of under `shortest` phonemes: at a comma, a voice rests.

    For a voice that decodes a sentence only whole, this is what lets its beginning be heard before its end is made.
    """
    found: list[tuple[int, int]] = []
    start = 0
    for cut in (at + 1 for at, phoneme in enumerate(sentence) if phoneme in CLAUSE_MARKS):
        if cut - start >= shortest and len(sentence) - cut >= shortest:
            found.append((start, cut))
            start = cut
    return [*found, (start, len(sentence))]


def limited(sentence: Sequence[str], parts: Sequence[tuple[int, int]], longest: int) -> list[tuple[int, int]]:
    """Return `parts` with each that is longer cut after a word: digits and spelled letters can go on for a minute."""
    found: list[tuple[int, int]] = []
    for start, end in parts:
        while end - start > longest:
            cut = next((at + 1 for at in range(start + longest - 1, start, -1) if sentence[at] == " "), start + longest)
            found.append((start, cut))
            start = cut
        found.append((start, end))
    return found


SENTENCE_MARKS = frozenset(".!?")
CLAUSE_MARKS = frozenset(",;:")
VOWELS = frozenset("aeiouyæøœɐɑɒɔɘəɚɛɜɝɞɤɨɪɯɵɶʉʊʌʏᵻ")
_WEIGHTS = {"ə": 0.6, "ː": 0.5, "ˈ": 0.2, "ˌ": 0.1, " ": 0.2} | dict.fromkeys(SENTENCE_MARKS | CLAUSE_MARKS, 2.0)


def estimated_lengths(sentence: Sequence[str]) -> list[float]:
    """Return how long each phoneme lasts beside the others, for a voice that does not tell. Rough: good to a word."""
    return [_WEIGHTS.get(phoneme, 1.0 if phoneme in VOWELS else 0.7) for phoneme in sentence]
