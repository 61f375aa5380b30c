"""A stand-in for a recogniser, for tests and benchmarks: deterministic, declared as such, and next to free.

It listens to nothing: each utterance says the next of its settings' texts, word by word as audio comes in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.asr.engine import AsrCapabilities, Recognised, StreamOptions, Word
from services.asr.settings import AsrSettings
from services.common.audio import BYTES_PER_SAMPLE
from services.common.errors import EngineDead, EngineFault


class FakeAsr:
    """Says what its settings say. Failures (`fake_failure`) strike the finalize that `fake_fail_on` counts to."""

    def __init__(self, settings: AsrSettings) -> None:
        self.settings = settings
        self.capabilities = AsrCapabilities("fake", "fake (a script)", takes_grammar=False, takes_key_terms=False)
        self.running = 0
        self.finalized = 0
        """Finalizes so far, in all streams."""

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to release."""

    async def open(self, options: StreamOptions) -> FakeStream:
        """Open a stream."""
        self.running += 1
        return FakeStream(self, options)


class FakeStream:
    """One stream of the fake."""

    uses_grammar = False
    uses_key_terms = False
    languages: Sequence[str] = ()

    def __init__(self, engine: FakeAsr, options: StreamOptions) -> None:
        self._engine = engine
        self._settings = engine.settings
        self._bytes_per_ms = options.sample_rate_hz * BYTES_PER_SAMPLE / 1000
        self._language = options.language
        if self._settings.fake_languages:
            self.languages = options.languages
        self._utterance = -1
        self._bytes = 0
        self._begin()

    def _begin(self) -> None:
        texts, languages = self._settings.fake_texts, self._settings.fake_languages
        if languages:
            self._language = languages[max(0, self._utterance) % len(languages)]
        self._words = texts[self._utterance % len(texts)].split() if self._utterance >= 0 else texts[0].split()
        self._bytes = 0

    async def accept(self, pcm: bytes) -> None:
        """Count the audio."""
        self._bytes += len(pcm)

    async def partial(self) -> Recognised:
        """Return as many words as there was audio for."""
        if not self._settings.fake_partials:
            return Recognised()
        if self._settings.fake_partial_delay_ms:
            await asyncio.sleep(self._settings.fake_partial_delay_ms / 1000)
        audio_ms = max(0.0, self._bytes / self._bytes_per_ms - self._settings.fake_partial_lag_ms)
        text = " ".join(self._words[: int(audio_ms) // self._settings.fake_word_ms])
        return Recognised(text, confidence=self._settings.fake_partial_confidence, language=self._language)

    async def finalize(self) -> Recognised:
        """Return the whole text, or nothing where there was no audio."""
        self._engine.finalized += 1
        if self._settings.fake_failure != "none" and self._engine.finalized == self._settings.fake_fail_on:
            await self._fail()
        if self._settings.fake_final_delay_ms:
            await asyncio.sleep(self._settings.fake_final_delay_ms / 1000)
        if not self._bytes:
            return Recognised()
        finals = self._settings.fake_finals
        said = (finals[max(0, self._utterance) % len(finals)] if finals else "").split() or self._words
        word_ms = self._bytes / self._bytes_per_ms / max(1, len(said))
        words = [
            Word(word, round(index * word_ms), round((index + 1) * word_ms), 1.0) for index, word in enumerate(said)
        ]
        return Recognised(" ".join(said), confidence=1.0, words=words, language=self._language)

    async def _fail(self) -> None:
        match self._settings.fake_failure:
            case "raise":
                raise EngineFault("the fake engine was told to fail")
            case "die":
                raise EngineDead("the fake engine was told to die")
            case "hang":
                await asyncio.Event().wait()

    async def reset(self) -> None:
        """Go on to the next text."""
        self._utterance += 1
        self._begin()

    async def close(self) -> None:
        """Count the stream out."""
        self._engine.running -= 1
