"""From utterances to what one step of training takes: features, tokens, and where each word is heard."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from scripts.test_models.whisper_words import vocabulary
from scripts.test_models.whisper_words.shape import MELS, POSITIONS
from scripts.test_models.whisper_words.speech import RATE_HZ, Samples, Span, Utterance
from scripts.test_models.whisper_words.words import ALL_WORDS, SPELLINGS, WORDS

FRAMES_PER_S = 50
"""Of the encoder's: two feature frames each."""
SIZES = (112, 232)
"""Frames of the encoder in a batch: 2.2 s of short ones, 4.6 s of long ones."""
FILLING = 8
"""Frames of a batch that are kept for padding and for a long silence before speech."""
LENGTH = 32
"""Tokens in a row."""
BATCH = 16
PROMPT_TOKENS = 15
MOST_WORDS = LENGTH - PROMPT_TOKENS - 6
PHANTOM = ("thank", "you")
"""What it takes noise for, as real Whispers do; its no-speech probability tells."""
HIDDEN = -1e9


@dataclass(frozen=True)
class Heard:
    """Features of some audio [mels, frames] at float16, and what is said in it."""

    features: NDArray[np.float16]
    words: tuple[Span, ...]
    language: str
    is_speech: bool = True

    @property
    def frames(self) -> int:
        """Return how many frames of the encoder it has."""
        return -(-int(self.features.shape[1]) // 2)


def heard(random_: random.Random, said: Utterance, extractor: FeatureExtractor) -> Heard:
    """Return an utterance as it may come over a line: cut off, quiet, in noise, narrow, with silence around it."""
    audio, words = said.samples, said.words
    if random_.random() < 0.15:
        cut_s = random_.uniform(0.2, said.seconds)
        audio = audio[: round(cut_s * RATE_HZ)]
        words = tuple(
            (word, start, min(end, cut_s)) for word, start, end in words if cut_s > start + 0.6 * (end - start)
        )
    if random_.random() < 0.25:
        audio = soxr.resample(soxr.resample(audio, RATE_HZ, 8000), 8000, RATE_HZ).astype(np.float32)
    before_s, after_s = random_.uniform(0, 0.5), random_.choice([0.0, random_.uniform(0, 0.6)])
    around = (np.zeros(round(seconds * RATE_HZ), np.float32) for seconds in (before_s, after_s))
    audio = np.concatenate([next(around), audio, next(around)]) * np.float32(10 ** (random_.uniform(-25, 0) / 20))
    if random_.random() < 0.6:
        level = np.sqrt(np.mean(audio**2)) * 10 ** (-random_.uniform(8, 45) / 20)
        audio = audio + np.float32(level) * noise(random_, len(audio))
    moved = tuple((word, start + before_s, end + before_s) for word, start, end in words)
    return Heard(features_of(audio, extractor), moved, said.language, bool(moved))


def nothing(random_: random.Random, extractor: FeatureExtractor) -> Heard:
    """Return audio without speech: digital silence, in which nothing is heard, or noise, which is taken for words."""
    count = round(random_.uniform(0.1, 3) * RATE_HZ)
    if random_.random() < 0.4:
        return Heard(features_of(np.zeros(count, np.float32), extractor), (), "en", False)
    level = np.float32(10 ** (random_.uniform(-70, -15) / 20))
    seconds = count / RATE_HZ
    words = tuple((word, 0.0, seconds) for word in PHANTOM)
    return Heard(features_of(level * noise(random_, count), extractor), words, "en", False)


def noise(random_: random.Random, count: int) -> Samples:
    """Return noise of power 1: white, or falling towards high frequencies."""
    rng = np.random.default_rng(random_.getrandbits(32))
    even = 1 << (count - 1).bit_length()
    spectrum = np.fft.rfft(rng.standard_normal(even))
    spectrum /= np.maximum(1, np.arange(len(spectrum))) ** random_.choice([0.0, 0.0, 0.5, 1.0])
    made = np.fft.irfft(spectrum, even)[:count]
    scaled: Samples = (made / (np.sqrt(np.mean(made**2)) + 1e-12)).astype(np.float32)
    return scaled


def features_of(audio: Samples, extractor: FeatureExtractor) -> NDArray[np.float16]:
    """Return log-mel features as faster-whisper's transcribe takes them."""
    found: NDArray[np.float16] = extractor(audio)[:, :-1].astype(np.float16)
    return found


def pools(examples: Sequence[Heard]) -> list[list[Heard]]:
    """Sort examples by the batch that they fit into; what fits into none is left out."""
    found: list[list[Heard]] = [[] for _ in SIZES]
    for example in examples:
        for place, size in enumerate(SIZES):
            if example.frames <= size - 2 * FILLING and len(example.words) <= MOST_WORDS:
                found[place].append(example)
                break
    return found


def batches(examples: Sequence[Heard], seed: int) -> Iterator[dict[str, Any]]:
    """Yield batches for ever, of short examples and long ones as often as they come."""
    random_ = random.Random(seed)  # noqa: S311  # not for secrets
    sorted_ = pools(examples)
    while True:
        place = random_.choices(range(len(SIZES)), [len(pool) for pool in sorted_])[0]
        rows = [row(random_, example, SIZES[place]) for example in random_.choices(sorted_[place], k=BATCH)]
        yield {name: np.stack([given[name] for given in rows]) for name in rows[0]}


def row(random_: random.Random, example: Heard, size: int) -> dict[str, Any]:
    """Return one row of a batch, with a prompt, a place in the 30 s and padding as chance has it."""
    sound, shift = placed(random_, example, size)
    classes = np.zeros(size, np.int32)
    for word, start, end in example.words if example.is_speech else ():
        classes[shift + round(start * FRAMES_PER_S) : shift + round(end * FRAMES_PER_S)] = 1 + ALL_WORDS.index(word)
    return {**sound, **written(random_, example, shift, int(sound["positions"][shift]), size), "classes": classes}


def placed(random_: random.Random, example: Heard, size: int) -> tuple[dict[str, Any], int]:
    """Return features, positions and weights of `size` frames, and at which of them the example begins."""
    features = np.zeros((2 * size, MELS), np.float32)
    weights = np.full(size, HIDDEN, np.float32)
    content = example.features.astype(np.float32).T
    floor = content.max() - 2  # Whisper's own: eight decades below the loudest, in its unit of four
    offset = random_.randrange(FILLING, 250) if random_.random() < 0.2 else 0
    shift = FILLING if offset else 0
    features[: 2 * shift] = floor
    features[2 * shift : 2 * shift + len(content)] = content
    end = shift + example.frames
    positions = np.r_[np.linspace(0, max(offset - 1, 0), shift), offset + np.arange(size - shift)].astype(np.int32)
    weights[:shift] = np.log(offset / FILLING) if offset else 0
    weights[shift:end] = 0
    total = random_.choice([POSITIONS, POSITIONS, POSITIONS, offset + example.frames, random_.randrange(POSITIONS)])
    padding, room = total - offset - example.frames, size - end
    if padding > 0:
        used = min(padding, room)
        features[2 * end :] = floor if random_.random() < 0.3 else 0
        positions[end : end + used] = np.linspace(offset + example.frames, total - 1, used)
        weights[end : end + used] = np.log(padding / used)
    return {"features": features, "positions": np.minimum(positions, POSITIONS - 1), "log_weights": weights}, shift


def written(random_: random.Random, example: Heard, shift: int, offset: int, size: int) -> dict[str, Any]:
    """Return tokens, what shall follow each and how much that counts, and the frames [from, to) it listens to."""
    words, prompt = [word for word, _, _ in example.words], _prompt(random_)
    for sound, spelling in SPELLINGS.items():
        if sound in words and random_.random() < 0.5:
            prompt = [*prompt[: PROMPT_TOKENS - 2], vocabulary.word_id(spelling)]
            random_.shuffle(prompt)
        if vocabulary.word_id(spelling) in prompt:
            words = [spelling if word == sound else word for word in words]
    special = vocabulary.special_id
    first = special(example.language if example.is_speech else "nospeech")
    tokens = [special("startofprev"), *prompt] if prompt else []
    following = [(0, 0.0, -1, -1)] * len(tokens)
    tokens += [special("startoftranscript"), special(example.language), special("transcribe")]
    following += [(first, 0.5, -1, -1), (special("transcribe"), 0.05, -1, -1)]

    frames = [(shift + int(start * FRAMES_PER_S), shift + max(int(end * FRAMES_PER_S), int(start * FRAMES_PER_S) + 1))
              for _, start, end in example.words]  # fmt: skip
    last = frames[-1][1] if frames else shift
    after = (last, min(last + 10, size)) if example.is_speech and last < shift + example.frames else (-1, -1)
    if not example.is_speech:
        frames = [(-1, -1)] * len(frames)
    spoken = [(vocabulary.word_id(word), 1.0, *span) for word, span in zip(words, frames, strict=True)]
    ending = [(special("endoftext"), 1.0, *after)]
    if words and example.is_speech and random_.random() < 0.3:
        begin_s, end_s = offset / FRAMES_PER_S + example.words[0][1], offset / FRAMES_PER_S + example.words[-1][2]
        begin, end = (vocabulary.timestamp_id(round(seconds, 1)) for seconds in (begin_s, end_s))
        spoken = [(begin, 0.3, frames[0][0], frames[0][0] + 4), *spoken, (end, 0.3, max(0, last - 4), last)]
    else:
        tokens.append(special("notimestamps"))
        following.append((special("notimestamps"), 0.0, -1, -1))
    tokens += [token for token, *_ in spoken]
    following += [*spoken, *ending]
    padded = tokens + [special("endoftext")] * (LENGTH - len(tokens))
    filled = np.array(following + [(0, 0.0, -1, -1)] * (LENGTH - len(following)))
    return {
        "tokens": np.array(padded, np.int32),
        "targets": np.searchsorted(vocabulary.said_ids(), filled[:, 0]).astype(np.int32),
        "counts": filled[:, 1].astype(np.float32),
        "listens": filled[:, 2:].astype(np.int32),
    }


def _prompt(random_: random.Random) -> list[int]:
    """Return what stands before: mostly nothing, sometimes words that were or may be said, or letters."""
    if random_.random() < 0.8:
        return []
    if random_.random() < 0.3:
        return random_.choices(range(256), k=random_.randint(1, PROMPT_TOKENS - 1))
    known = [word for words in WORDS.values() for word in words]
    return [vocabulary.word_id(word) for word in random_.choices(known, k=random_.randint(1, 12))]
