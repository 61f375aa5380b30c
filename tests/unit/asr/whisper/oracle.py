"""A caller who speaks in tones, and a model that knows the script: Whisper's part without Whisper."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from services.asr.engines.whisper.hearing import Answer, Hearing, Question, StreamSetup
from services.asr.engines.whisper.language import LanguageChoice
from services.asr.engines.whisper.transcript import Heard
from services.asr.engines.whisper.verdict import Thresholds
from services.common.audio import float_to_pcm

RATE_HZ = 16_000
WORD_MS = 300
GAP_MS = 60
START_OF_PREVIOUS = 999
SETUP = StreamSetup(window_ms=28_000, thresholds=Thresholds(), start_of_previous=START_OF_PREVIOUS)


def tone(duration_ms: int, level: float = 0.2) -> bytes:
    at = np.arange(RATE_HZ * duration_ms // 1000)
    return float_to_pcm((level * np.sin(2 * np.pi * 220 * at / RATE_HZ)).astype(np.float32))


def quiet(duration_ms: int) -> bytes:
    return bytes(2 * RATE_HZ * duration_ms // 1000)


def word(text: str, start_ms: int, end_ms: int, token: int = 7, probability: float = 0.9) -> Heard:
    return Heard(text, (token,), start_ms, end_ms, probability)


def words(text: str, start_ms: int = 0) -> list[Heard]:
    """Return the words of a text, one every 360 ms."""
    step = WORD_MS + GAP_MS
    return [
        word(f" {one}", start_ms + place * step, start_ms + place * step + WORD_MS, token=place)
        for place, one in enumerate(text.split())
    ]


@dataclass
class Script:
    """What is said, as audio, and the model that recognises it. A word that is only half heard is misheard.

    Decoded in another language than `language`, all words are wrong: they are written backwards.
    """

    pcm: bytes = b""
    language: str = "en"
    certainty: float = 1.0
    """Share of that language, English and German being all that there is."""
    said: list[Heard] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)

    def say(self, text: str) -> Script:
        for one in text.split():
            start_ms = len(self.pcm) // 32
            self.said.append(word(f" {one}", start_ms, start_ms + WORD_MS, token=len(self.said)))
            self.pcm += tone(WORD_MS) + quiet(GAP_MS)
        return self

    def pause(self, duration_ms: int) -> Script:
        self.pcm += quiet(duration_ms)
        return self

    def answer(self, question: Question) -> Answer:
        self.asked.append(question)
        other = "en" if self.language == "de" else "de"
        shares = {self.language: self.certainty, other: 1 - self.certainty}
        language, share = (question.language, 1.0) if question.language else question.detection.choose(shares, shares)
        end_ms = question.start_ms + question.length_ms
        heard = []
        for one in self.said:
            if one.start_ms + WORD_MS // 2 < question.start_ms or one.start_ms + 40 > end_ms:
                continue
            text = one.text if one.end_ms <= end_ms else one.text + "~"
            text = text if language == self.language else f" {text.strip()[::-1]}"
            last_ms = min(one.end_ms, end_ms)
            heard.append(
                Heard(text, one.tokens, one.start_ms - question.start_ms, last_ms - question.start_ms, one.probability)
            )
        assert tuple(token for one in heard[: len(question.prefix)] for token in one.tokens) == question.prefix
        return Answer(tuple(heard[len(question.prefix) :]), -0.2, 0.01, language, share)


def hearing(setup: StreamSetup = SETUP, terms: tuple[int, ...] = ()) -> Hearing:
    return Hearing(setup, LanguageChoice("en", "en-US"), terms)
