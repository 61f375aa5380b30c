"""A tone instead of speech, for tests and benchmarks: deterministic, exact to the sample, and next to free.

Every word lasts `fake_word_ms`. It says nothing that anyone could understand, and calls itself
"fake" wherever it is named.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import cache

import numpy as np

from services.common.audio import AudioFormat
from services.common.errors import EngineDead, EngineFault, InvalidInput
from services.tts.engine import Capabilities, Rendered, SpeakerConfig, WordTiming
from services.tts.settings import TtsSettings
from services.tts.text import Phrase

_VOICES = ("fake", "en-us", "en-gb")
_TONE_HZ = 400
_TONE_PEAK = 8000
_TONE_MS = 20_000
_KEPT_PHRASES = 64


@cache
def _tone(rate_hz: int) -> bytes:
    """Return 20 s of tone that never has two zero samples in a row, so that a test can tell it from silence."""
    at = np.arange(rate_hz * _TONE_MS // 1000)
    return (_TONE_PEAK * np.cos(2 * np.pi * _TONE_HZ * at / rate_hz)).astype("<i2").tobytes()


class FakeEngine:
    """Slices of one tone."""

    def __init__(self, settings: TtsSettings) -> None:
        self.settings = settings
        self.capabilities = Capabilities("fake", "tone", _VOICES, native_rate_hz=16000)
        self.running = 0
        self.phrases = 0
        """Phrases begun so far."""
        self.latest: deque[tuple[SpeakerConfig, str]] = deque(maxlen=_KEPT_PHRASES)
        """The newest of them: how to be spoken, and the text."""

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to release."""

    def speaker(self, config: SpeakerConfig) -> FakeSpeaker:
        """Return a voice. "en-us" and "en-gb", with any variant, are taken so that agents made for espeak run here."""
        if config.voice and config.voice.partition("+")[0].lower() not in _VOICES:
            raise InvalidInput(f"unknown voice {config.voice!r}: try one of {', '.join(_VOICES)}")
        return FakeSpeaker(self, config)


class FakeSpeaker:
    """One stream's tone."""

    def __init__(self, engine: FakeEngine, config: SpeakerConfig) -> None:
        self._engine = engine
        self._settings = engine.settings
        self._config = config
        self._format = AudioFormat(config.sample_rate_hz)
        self._word_ms = max(1, round(engine.settings.fake_word_ms / config.speed))

    async def render(self, phrase: Phrase) -> AsyncGenerator[Rendered, None]:
        """Render a phrase: every word has its timing with the first piece."""
        settings = self._settings
        self._engine.phrases += 1
        self._engine.latest.append((replace(self._config, style=phrase.style or self._config.style), phrase.text))
        is_failing = settings.fake_failure != "none" and self._engine.phrases > settings.fake_failure_after
        self._engine.running += 1
        try:
            queue_us = 0
            if settings.fake_queue_delay_ms:
                queued_s = time.perf_counter()
                await asyncio.sleep(settings.fake_queue_delay_ms / 1000)
                queue_us = round((time.perf_counter() - queued_s) * 1e6)
            if settings.fake_first_audio_ms:
                await asyncio.sleep(settings.fake_first_audio_ms / 1000)
            words = tuple(
                WordTiming(word, index * self._word_ms, (index + 1) * self._word_ms)
                for index, word in enumerate(phrase.words)
            )
            total_ms = len(words) * self._word_ms
            for at_ms in range(0, total_ms, settings.fake_chunk_ms):
                length_ms = min(settings.fake_chunk_ms, total_ms - at_ms)
                if settings.fake_real_time_factor:
                    await asyncio.sleep(length_ms * settings.fake_real_time_factor / 1000)
                piece = Rendered(
                    self._audio(at_ms, length_ms),
                    () if at_ms else words,
                    is_last=at_ms + length_ms == total_ms,
                    queue_us=0 if at_ms else queue_us,
                )
                yield await self._spoil(piece) if is_failing else piece
        finally:
            self._engine.running -= 1

    def _audio(self, at_ms: int, length_ms: int) -> bytes:
        tone = _tone(self._format.sample_rate_hz)
        start, end = self._format.byte_count(at_ms), self._format.byte_count(at_ms + length_ms)
        first = start % len(tone)
        pcm = tone[first : first + end - start]
        while len(pcm) < end - start:
            pcm += tone[: end - start - len(pcm)]
        return pcm

    async def _spoil(self, piece: Rendered) -> Rendered:
        match self._settings.fake_failure:
            case "raise":
                raise EngineFault("the fake engine was told to fail")
            case "crash":
                raise RuntimeError("the fake engine was told to crash")
            case "die":
                raise EngineDead("the fake engine was told to die")
            case "hang":
                await asyncio.Event().wait()
            case "odd_bytes":
                return replace(piece, pcm=piece.pcm + b"\x01")
            case "bad_words":
                return replace(piece, words=piece.words[::-1])
            case "no_last":
                return replace(piece, is_last=False)
        return piece
