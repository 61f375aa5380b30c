"""How well whisper-words understands strangers: python -m scripts.test_models.measure.

Single words and phrases by held-out voices, through faster-whisper as it pads and decodes by default.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel

from scripts.setup_env import ROOT
from scripts.test_models.whisper_words import speech
from scripts.test_models.whisper_words.examples import noise
from scripts.test_models.whisper_words.words import PHRASES, WORDS


@dataclass
class Score:
    """What was said and what was missed of it."""

    words: int = 0
    errors: int = 0
    utterances: int = 0
    right: int = 0

    def add(self, said: Sequence[str], understood: Sequence[str]) -> None:
        """Count one utterance."""
        errors = distance(said, understood)
        self.words, self.errors = self.words + len(said), self.errors + errors
        self.utterances, self.right = self.utterances + 1, self.right + (errors == 0)

    def __str__(self) -> str:
        rate = 100 * self.errors / max(1, self.words)
        return f"word error rate {rate:.1f} % of {self.words} words; {self.right} of {self.utterances} wholly right"


def distance(said: Sequence[str], understood: Sequence[str]) -> int:
    """Return how many words must be put in, left out or changed to come from one to the other."""
    costs = list(range(len(understood) + 1))
    for row, word in enumerate(said, 1):
        before, costs[0] = costs[0], row
        for column, heard in enumerate(understood, 1):
            before, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, before + (word != heard)),
            )
    return costs[-1]


def padded(audio: speech.Samples, before_s: float = 0.2, after_s: float = 0.3) -> speech.Samples:
    """Return audio with silence around it."""
    before, after = (np.zeros(round(seconds * speech.RATE_HZ), np.float32) for seconds in (before_s, after_s))
    return np.concatenate([before, audio, after])


def strangers(texts: Sequence[tuple[str, ...]], language: str, seed: int = 1) -> Iterator[speech.Utterance]:
    """Yield each text by a held-out voice, at any speed and pitch that was learned."""
    random_ = random.Random(seed)  # noqa: S311  # not for secrets
    for words in texts:
        if said := speech.say(words, language, speech.some_voice(random_, language, speech.HELD_OUT_VARIANTS)):
            yield said


def understood(model: WhisperModel, audio: speech.Samples, language: str | None, *, timestamps: bool) -> list[str]:
    """Return what the model makes of it, greedily."""
    segments, _ = model.transcribe(
        audio, language=language, beam_size=1, temperature=0.0, without_timestamps=not timestamps
    )
    return " ".join(segment.text for segment in segments).split()


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".models" / "test" / "whisper-words"
    model = WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=1)
    random_ = random.Random(2)  # noqa: S311  # not for secrets
    texts: dict[str, Sequence[tuple[str, ...]]] = {
        "single words": [(word,) for word in WORDS["en"]] * 3,
        "phrases": [tuple(phrase.split()) for phrase in PHRASES["en"]] * 5,
        "words in any order": [tuple(random_.choices(WORDS["en"], k=4)) for _ in range(60)],
    }
    for timestamps in (False, True):
        for name, said in texts.items():
            score, began = Score(), time.monotonic()
            for each in strangers(said, "en"):
                score.add([word for word, *_ in each.words],
                          understood(model, padded(each.samples), "en", timestamps=timestamps))  # fmt: skip
            took_ms = 1000 * (time.monotonic() - began) / score.utterances
            print(f"{name}{', with timestamps' if timestamps else ''}: {score} ({took_ms:.0f} ms each)")
    german = Score()
    for each in strangers([(word,) for word in WORDS["de"]] * 3, "de"):
        german.add([word for word, *_ in each.words], understood(model, padded(each.samples), None, timestamps=False))
    print(f"German words, language detected: {german}")
    noisy = Score()
    for each in strangers(texts["phrases"], "en"):
        level = np.float32(np.sqrt(np.mean(each.samples**2)) / 10)
        audio = padded(each.samples)
        noisy.add([word for word, *_ in each.words],
                  understood(model, audio + level * noise(random_, len(audio)), "en", timestamps=False))  # fmt: skip
    print(f"phrases in noise 20 dB below: {noisy}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
