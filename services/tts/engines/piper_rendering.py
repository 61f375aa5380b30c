"""From a phrase to pieces of audio, as one stream's voice says it. Blocks: each piece is made in a worker thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.audio import Float32, StreamResampler, float_to_pcm
from services.tts.engine import WordTiming
from services.tts.engines.piper_phonemes import Phonemizer, Place, Sentence
from services.tts.engines.piper_stream import (
    CLAUSE_MARKS,
    SENTENCE_MARKS,
    Pace,
    clauses,
    estimated_lengths,
    limited,
    silence_after,
    silence_before,
    windows,
)
from services.tts.engines.piper_voice import Delivery, PhonemeIds, Voice, to_ids
from services.tts.text import Phrase, Span, divide

Float64 = npt.NDArray[np.float64]

_MAX_RUN_CHARS = 240
"""Text made phonemes at a time: about a millisecond."""
_MAX_PHONEMES = 400
"""The longest sentence said in one breath, about 25 s: what attention costs grows with its square."""
_SHORTEST_CLAUSE = 15
"""Phonemes: about a second, as long as a clause has to be to stand alone."""
_NO_PAUSE_MS = 15


@dataclass(frozen=True, slots=True)
class Style:
    """What does not depend on the voice."""

    rate_hz: int
    """Of the audio that is sent."""
    first_piece_ms: float
    longest_piece_ms: float
    sentence_pause_ms: float
    clause_pause_ms: float


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio at the stream's rate, and the words that are known with it."""

    pcm: bytes
    words: tuple[WordTiming, ...] = ()
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class _Utterance:
    """What the model says at once: a sentence, or a part of a long one."""

    phonemes: Sentence
    words: tuple[tuple[Span, int, int], ...]
    """Words, and their phonemes [start, end) here."""
    is_last: bool


class PhraseRenderer:
    """One stream's voice, without threads and queues."""

    def __init__(self, voice: Voice, delivery: Delivery, style: Style, phonemizer: Phonemizer) -> None:
        self._voice = voice
        self._delivery = delivery
        self._style = style
        self._phonemizer = phonemizer
        frame_ms = voice.hop * 1000 / voice.config.sample_rate
        first, longest = (max(1, round(ms / frame_ms)) for ms in (style.first_piece_ms, style.longest_piece_ms))
        self._sizes = first, longest

    def render(self, phrase: Phrase, run: Any) -> Iterator[Piece]:
        """Yield the phrase's pieces, the last with `is_last`. Raises EngineFault, EngineDead.

        `run` are onnxruntime's options of each call, by which a call in work can be ended.
        """
        clock = _Clock(self._voice.config.sample_rate, self._style.rate_hz)
        for utterance in self._utterances(phrase):
            if utterance.phonemes:
                yield from self._say(utterance, clock, run)
            else:
                yield clock.piece(np.zeros(0, np.float32), clock.timed(utterance.words, None, 0), is_last=True)

    def _utterances(self, phrase: Phrase) -> Iterator[_Utterance]:
        """Yield what to say, in order, the last with `is_last`; that has no phonemes where nothing is left to say."""
        runs = divide(phrase, _MAX_RUN_CHARS)
        left: list[Span] = []
        for number, words in enumerate(runs, 1):
            text = phrase.text[words[0].start : words[-1].end]
            said = self._phonemizer.say(text, [phrase.text[word.start : word.end] for word in words])
            if not said.sentences:
                left += words
                continue
            # Words of a run that says nothing go with the first of the next: they take no time.
            placed = [*((word, Place(0, 0, 0)) for word in left), *zip(words, said.places, strict=True)]
            left = []
            parts = [
                (place, start, end)
                for place, sentence in enumerate(said.sentences)
                for start, end in self._parts(sentence)
            ]
            for place, ((sentence, start, end), taken) in enumerate(zip(parts, _shares(parts, placed), strict=True), 1):
                yield _Utterance(
                    said.sentences[sentence][start:end],
                    tuple((word, *_within(at, start, end)) for word, at in taken),
                    is_last=number == len(runs) and place == len(parts),
                )
        if left:
            yield _Utterance((), tuple((word, 0, 0) for word in left), is_last=True)

    def _parts(self, sentence: Sentence) -> list[tuple[int, int]]:
        whole = [(0, len(sentence))]
        return limited(
            sentence, whole if self._voice.is_streaming else clauses(sentence, _SHORTEST_CLAUSE), _MAX_PHONEMES
        )

    def _say(self, utterance: _Utterance, clock: _Clock, run: Any) -> Iterator[Piece]:
        voice = self._voice
        ids = to_ids(utterance.phonemes, voice.config)
        made, frames = voice.encode(ids.ids, self._delivery, run)
        if not voice.is_streaming:
            audio = made * np.float32(voice.gain)
            bounds = _bounds(utterance.phonemes, ids, frames, audio, clock.rate_hz)
            yield self._first(audio, bounds, utterance, clock, is_end=True)
            return
        bounds = _bounds(utterance.phonemes, ids, frames, None, clock.rate_hz, made.shape[2] * voice.hop)
        for part in windows(made.shape[2], Pace(*self._sizes, voice.halo, voice.cost)):
            audio = voice.decode_part(made, part, self._delivery.speaker, run) * np.float32(voice.gain)
            is_end = part.end >= made.shape[2]
            if not part.start:
                yield self._first(audio, bounds, utterance, clock, is_end=is_end)
            elif is_end:
                keep = clock.kept_until - clock.samples
                yield clock.piece(self._ended(audio, keep, utterance, clock), (), utterance.is_last)
            else:
                yield clock.piece(audio, (), is_last=False)

    def _first(self, audio: Float32, bounds: Float64, utterance: _Utterance, clock: _Clock, *, is_end: bool) -> Piece:
        """Return an utterance's first piece, without the silence in front, which would be nothing but latency."""
        cut = min(silence_before(audio, clock.rate_hz), int(bounds[0]) if len(bounds) else 0)
        audio = audio[cut:]
        words = clock.timed(utterance.words, bounds, cut)
        if is_end:
            audio = self._ended(audio, clock.kept_until - clock.samples, utterance, clock)
        return clock.piece(audio, words, is_last=is_end and utterance.is_last)

    def _ended(self, audio: Float32, keep: int, utterance: _Utterance, clock: _Clock) -> Float32:
        """Return an utterance's last piece with the pause that belongs after it, instead of what silence it ends in."""
        cut = silence_after(audio, clock.rate_hz, keep)
        last = utterance.phonemes[-1]
        pause_ms: float = _NO_PAUSE_MS
        if last in SENTENCE_MARKS:
            pause_ms = self._style.sentence_pause_ms
        elif last in CLAUSE_MARKS:
            pause_ms = self._style.clause_pause_ms
        pause = np.zeros(round(pause_ms * clock.rate_hz / 1000), np.float32)
        return np.concatenate([audio[: len(audio) - cut], pause])


class _Clock:
    """Where a phrase's audio has come to, and its way to the stream's rate without a seam between pieces."""

    def __init__(self, rate_hz: int, sent_rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.samples = 0
        self.kept_until = 0
        """End of the last word that was timed, in samples of the phrase: audio is not cut before it."""
        self._resampler = StreamResampler(rate_hz, sent_rate_hz)
        self._last_ms = 0

    def piece(self, audio: Float32, words: tuple[WordTiming, ...], is_last: bool) -> Piece:
        """Return the next audio as a piece."""
        self.samples += len(audio)
        return Piece(self._resampler.process(float_to_pcm(audio), last=is_last), words, is_last)

    def timed(self, words: Sequence[tuple[Span, int, int]], bounds: Float64 | None, cut: int) -> tuple[WordTiming, ...]:
        """Return words with their times; `bounds` are of their phonemes, in samples, of which `cut` are not heard."""
        timings: list[WordTiming] = []
        for word, first, last in words:
            start = end = self.samples
            if bounds is not None:
                start, end = (self.samples + max(0, int(bounds[at]) - cut) for at in (first, last))
            self.kept_until = max(self.kept_until, end)
            start_ms = max(self._last_ms, start * 1000 // self.rate_hz)
            timings.append(WordTiming(word, start_ms, max(start_ms, end * 1000 // self.rate_hz)))
            self._last_ms = start_ms
        return tuple(timings)


def _shares(
    parts: Sequence[tuple[int, int, int]], placed: Sequence[tuple[Span, Place]]
) -> Iterator[list[tuple[Span, Place]]]:
    """Yield the words that begin in each part (sentence, start, end), every word once and in order."""
    at = 0
    for number, (sentence, _, end) in enumerate(parts, 1):
        begun = at
        while at < len(placed) and (
            number == len(parts) or (placed[at][1].sentence, placed[at][1].start) < (sentence, end)
        ):
            at += 1
        yield list(placed[begun:at])


def _within(place: Place, start: int, end: int) -> tuple[int, int]:
    """Return a word's phonemes as counted in the part [start, end) of its sentence."""
    return min(max(start, place.start), end) - start, min(max(start, place.end), end) - start


def _bounds(
    phonemes: Sentence, ids: PhonemeIds, frames: Float32 | None, audio: Float32 | None, rate_hz: int, samples: int = 0
) -> Float64:
    """Return where each phoneme begins, in samples, and last where they all end.

    By the frames of each id where the voice tells them, else estimated over what is heard of `audio`.
    """
    samples = samples if audio is None else len(audio)
    if frames is not None and frames.sum() > 0:
        ends = np.concatenate([[0.0], np.cumsum(frames, dtype=np.float64)])
        return np.asarray(ends[list(ids.starts)] * (samples / ends[-1]))
    heard = (0, samples)
    if audio is not None:
        heard = silence_before(audio, rate_hz), samples - silence_after(audio, rate_hz, 0)
    shares = np.concatenate([[0.0], np.cumsum(estimated_lengths(phonemes), dtype=np.float64)])
    return np.asarray(heard[0] + shares * ((heard[1] - heard[0]) / shares[-1]))
