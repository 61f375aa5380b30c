"""Speech that whisper-words learns from: our own, by espeak-ng, in many voices, with the time of every word."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from scripts.test_models.whisper_words.words import PHRASES, WORDS
from services.tts.engines.espeak_library import load_library

RATE_HZ = 16000
Samples = NDArray[np.float32]

ACCENTS = {"en": ("gmw/en-US", "gmw/en-US", "gmw/en"), "de": ("gmw/de",)}
"""espeak-ng's voices of each language; an accent that comes twice is heard twice as often."""
VARIANTS = (
    *("", "f1", "f2", "f3", "f5", "m1", "m2", "m4", "m5", "m6", "m7", "Andrea", "Annie", "Alex", "Denis", "Diogo"),
    *("Gene", "Hugo", "Jacky", "Lee", "Marco", "Michael", "Mike", "anika", "aunty", "belinda", "benjamin", "boris"),
    *("ed", "edward", "grandma", "ian", "iven", "john", "marcelo", "max", "michel", "paul", "pedro", "quincy", "rob"),
)
"""How it may sound; each is another throat."""
HELD_OUT_VARIANTS = ("f4", "m3", "m8", "Alicia", "Andy", "Mario", "adam", "caleb", "linda", "robert", "steph", "zac")
"""Voices that are never learned from: what is understood of them is understood of strangers."""
WORDS_PER_MINUTE = (110, 215)
"""Slowest and fastest; espeak-ng's own is 175, and our tests speak at 160."""
PITCHES = (0.93, 1.08)
"""Resampling moves pitch and throat and length together."""

Span = tuple[str, float, float]
"""A word with its beginning and end in seconds."""


@dataclass(frozen=True)
class Utterance:
    """Something said: samples at 16 kHz in -1..1, without silence around it."""

    samples: Samples
    words: tuple[Span, ...]
    language: str

    @property
    def seconds(self) -> float:
        """Return its length."""
        return len(self.samples) / RATE_HZ


@dataclass(frozen=True)
class Voice:
    """Who says it."""

    file: str
    words_per_minute: int
    pitch: float = 1.0


def some_voice(random_: random.Random, language: str, variants: Sequence[str] = VARIANTS) -> Voice:
    """Return any voice of a language."""
    accent, variant = random_.choice(ACCENTS[language]), random_.choice(variants)
    speed, pitch = random_.randint(*WORDS_PER_MINUTE), random_.uniform(*PITCHES)
    return Voice(f"{accent}+{variant}" if variant else accent, speed, pitch)


def say(words: Sequence[str], language: str, voice: Voice) -> Utterance | None:
    """Return the words spoken; None where espeak-ng did not mark each of them."""
    text = " ".join(words)
    library = load_library()
    spoken = library.speak(text, voice_file=voice.file, words_per_minute=voice.words_per_minute, phonemes=False,
                           should_stop=lambda _: False)  # fmt: skip
    loud = np.flatnonzero(np.abs(spoken.samples.astype(np.int32)) > 100)
    if len(spoken.marks) != len(words) or not len(loud):
        return None
    begin, end = int(loud[0]), int(loud[-1]) + 1
    samples = spoken.samples[begin:end].astype(np.float32) / 32768
    rate_hz = library.sample_rate_hz * voice.pitch
    times = [max(0.0, (mark.at_ms / 1000 * library.sample_rate_hz - begin) / rate_hz) for mark in spoken.marks]
    resampled = soxr.resample(samples, rate_hz, RATE_HZ).astype(np.float32)
    ends = [*times[1:], len(resampled) / RATE_HZ]
    return Utterance(resampled, tuple(zip(words, times, ends, strict=True)), language)


def joined(first: Utterance, second: Utterance, pause_s: float) -> Utterance:
    """Return one after the other."""
    pause = np.zeros(round(pause_s * RATE_HZ), np.float32)
    later = first.seconds + len(pause) / RATE_HZ
    words = (*first.words, *((word, start + later, end + later) for word, start, end in second.words))
    return Utterance(np.concatenate([first.samples, pause, second.samples]), words, first.language)


def some_words(random_: random.Random, language: str) -> tuple[str, ...]:
    """Return a phrase, a piece of one, or words in any order."""
    if random_.random() < 0.5:
        phrase = random_.choice(PHRASES[language]).split()
        begin = random_.choice([0, 0, 0, random_.randrange(len(phrase))])
        return tuple(phrase[begin : random_.choice([len(phrase), random_.randint(begin + 1, len(phrase))])])
    return tuple(random_.choices(WORDS[language], k=random_.choice([1, 1, 1, 2, 2, 3, 4, 5])))


def corpus(count: int, seed: int, show: Callable[[int], None]) -> Iterator[Utterance]:
    """Yield `count` utterances; `show` is told how many there are."""
    random_ = random.Random(seed)  # noqa: S311  # not for secrets
    made = 0
    while made < count:
        language = random_.choices(["en", "de"], [5, 1])[0]
        voice = some_voice(random_, language)
        said = say(some_words(random_, language), language, voice)
        if said and random_.random() < 0.25 and (more := say(some_words(random_, language), language, voice)):
            said = joined(said, more, random_.uniform(0.05, 0.5))
        if said:
            made += 1
            show(made)
            yield said
