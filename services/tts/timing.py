"""From an engine's marks ("here the voice is at this character") to a time for every word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.tts.text import Phrase, Span


@dataclass(frozen=True, slots=True)
class Mark:
    """The voice begins what stands at a character of the phrase."""

    position: int
    at_ms: float


def word_bounds(phrase: Phrase, words: Sequence[Span], marks: Sequence[Mark], total_ms: float) -> list[float]:
    """Return where each of `words` begins, and last `total_ms`: len(words) + 1 times that never decrease.

    A word without a mark of its own (engines run short words together) shares the time up to the next mark with the
    words before it, by their length in characters. A word with nothing to say lasts no time.
    """
    anchors = _anchors(words, marks, total_ms)
    bounds: list[float] = []
    for (first, begins_ms), (after, ends_ms) in pairwise([*anchors, (len(words), total_ms)]):
        run = words[first:after]
        weights = [word.end - word.start if phrase.is_word_speakable(word) else 0 for word in run]
        whole = sum(weights) or 1
        spoken = 0
        for weight in weights:
            bounds.append(begins_ms + (ends_ms - begins_ms) * spoken / whole)
            spoken += weight
    return [*bounds, total_ms]


def _anchors(words: Sequence[Span], marks: Sequence[Mark], total_ms: float) -> list[tuple[int, float]]:
    """Return (word index, time), the indices strictly increasing from 0: the first mark of each word that has one."""
    anchors: list[tuple[int, float]] = [(0, 0.0)] if words else []
    index = 0
    for mark in marks:
        while index < len(words) and words[index].end <= mark.position:
            index += 1
        if index == len(words):
            break
        if index > anchors[-1][0]:
            anchors.append((index, min(max(mark.at_ms, anchors[-1][1]), total_ms)))
    return anchors
