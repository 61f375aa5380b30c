"""What one decoder made of some audio, and the decisions taken from it. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from services.asr.engines.sphinx.pronounce import phone_distance

FRAME_MS = 10
"""The front end gives 100 frames a second."""
SCORE_SCALE = 1e4
"""Acoustic scores are natural logarithms of tiny numbers; times this they read as about -25 (good) to -65 (bad)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One entry of a decoder's segmentation, in frames of 10 ms, with the logarithm of its acoustic score."""

    word: str
    start_frame: int
    end_frame: int
    log_score: float

    @property
    def is_word(self) -> bool:
        """Whether it is a word of the text, rather than silence, noise or a mark of the decoder's."""
        return self.word[:1] not in "<[(+"


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word with its place in the utterance and a confidence from 0 to 1."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Reading:
    """One decoder's account of the audio: the words and how well they explain it."""

    words: tuple[HeardWord, ...] = ()
    word_score: float = 0.0
    """Mean scaled score of a frame inside words."""
    total_score: float = 0.0
    """Mean scaled score of any frame, silence included."""
    speech_ms: int = 0
    """Speech in the audio, by the speech gate."""
    is_complete: bool = True
    """False where the words break off in the middle of a sentence of the grammar."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The words alone."""
        return tuple(word.text for word in self.words)

    @property
    def confidence(self) -> float:
        """Confidence in the whole: that of the mean frame inside words."""
        return confidence_of(self.word_score) if self.words else 0.0


def confidence_of(score: float) -> float:
    """Return a confidence for a scaled score per frame: 0.5 at -55, 0.9 at -38 (see README: how it was set)."""
    return 1 / (1 + math.exp((-55 - score) / 8))


def read_segments(
    segments: Iterable[Segment], place: Callable[[int], int], speech_ms: int, is_complete: bool = True
) -> Reading:
    """Return the Reading of a segmentation; `place` turns a frame number into milliseconds of the utterance."""
    words: list[HeardWord] = []
    word_log = total_log = 0.0
    word_frames = total_frames = 0
    for segment in segments:
        frames = segment.end_frame - segment.start_frame + 1
        if segment.word == "(NULL)":
            continue
        total_log += segment.log_score
        total_frames += frames
        if segment.is_word:
            word_log += segment.log_score
            word_frames += frames
            text = segment.word.partition("(")[0]
            confidence = round(confidence_of(SCORE_SCALE * segment.log_score / frames), 3)
            words.append(HeardWord(text, place(segment.start_frame), place(segment.end_frame + 1), confidence))
    return Reading(
        tuple(words),
        SCORE_SCALE * word_log / max(1, word_frames),
        SCORE_SCALE * total_log / max(1, total_frames),
        speech_ms,
        is_complete,
    )


SHORT_SPEECH_MS = 1000
"""Below this a grammar is believed unless its score is hopeless: too little audio to tell, and few words to say."""
GOOD_SCORE = -36.0
HOPELESS_SCORE = -80.0
ALONE_SCORE = -52.0
"""Where the general model could not be asked: worse than this does not fit."""
MARGIN = -14.0
SHORT_MARGIN = -24.0


def fits_alone(grammar: Reading) -> bool | None:
    """Return whether the grammar's reading fits the audio, or None where the general model must be asked.

    Thresholds: docs in services/asr/README.md, "When the grammar does not fit".
    """
    if grammar.word_score < HOPELESS_SCORE:
        return False
    if grammar.speech_ms < SHORT_SPEECH_MS:
        return True
    return True if grammar.word_score >= GOOD_SCORE and _covers(grammar) else None


def _covers(grammar: Reading) -> bool:
    spoken_ms = sum(word.end_ms - word.start_ms for word in grammar.words)
    return spoken_ms >= 0.6 * grammar.speech_ms


def fits_against(grammar: Reading, general: Reading | None) -> bool:
    """Return whether the grammar explains the audio about as well as the general model does.

    It does not where the general model hears far more words (the grammar passed speech off as silence), or where its
    own words explain their frames, and all frames, much worse.
    """
    if general is None:
        return grammar.word_score >= ALONE_SCORE
    if len(general.words) > 1.5 * len(grammar.words) + 1:
        return False
    gap = (grammar.word_score - general.word_score) + (grammar.total_score - general.total_score)
    return gap >= (SHORT_MARGIN if grammar.speech_ms < 1.3 * SHORT_SPEECH_MS else MARGIN)


@dataclass(frozen=True, slots=True)
class Term:
    """A key term: its words, its phones, and how unlike it a stretch of the text may sound (0 to 1)."""

    words: tuple[str, ...]
    phones: tuple[str, ...]
    tolerance: float


def favour_terms(
    words: Sequence[HeardWord], terms: Sequence[Term], phones_of: Callable[[str], tuple[str, ...]]
) -> tuple[HeardWord, ...]:
    """Return `words` with the stretches that sound like a key term replaced by it, the most alike first."""
    matches: list[tuple[float, int, int, Term]] = []
    for start in range(len(words)):
        for term in terms:
            for end in range(start + 1, min(start + len(term.words) + 2, len(words)) + 1):
                phones = tuple(phone for word in words[start:end] for phone in phones_of(word.text))
                distance = phone_distance(phones, term.phones)
                if distance <= term.tolerance:
                    matches.append((distance, start, end, term))
    chosen: dict[int, tuple[int, Term]] = {}
    taken: set[int] = set()
    for _, start, end, term in sorted(matches, key=lambda match: match[:3]):
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            chosen[start] = (end, term)
    out: list[HeardWord] = []
    at = 0
    while at < len(words):
        if at in chosen:
            end, term = chosen[at]
            out.extend(_spread(term, words[at], words[end - 1]))
            at = end
        else:
            out.append(words[at])
            at += 1
    return tuple(out)


def _spread(term: Term, first: HeardWord, last: HeardWord) -> list[HeardWord]:
    span_ms = (last.end_ms - first.start_ms) / len(term.words)
    confidence = min(first.confidence, last.confidence)
    edges = [round(first.start_ms + n * span_ms) for n in range(len(term.words) + 1)]
    return [HeardWord(text, edges[n], edges[n + 1], confidence) for n, text in enumerate(term.words)]
