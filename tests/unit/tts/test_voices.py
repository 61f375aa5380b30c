"""A stream's voices by language, over real espeak-ng."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt
import pytest

from services.common.errors import InvalidInput
from services.tts.engine import Speaker, SpeakerConfig
from services.tts.engines.espeak import EspeakEngine
from services.tts.settings import TtsSettings
from services.tts.text import prepare
from services.tts.voices import Voices

pytestmark = pytest.mark.unit

ENGLISH = SpeakerConfig(16000, language="en-US")
SPANISH = SpeakerConfig(16000, language="es-ES")
NOBODYS = SpeakerConfig(16000, language="xx-XX")


@pytest.fixture
async def engine() -> AsyncIterator[EspeakEngine]:
    made = EspeakEngine(TtsSettings())
    await made.start()
    yield made
    await made.close()


async def audio(speaker: Speaker, text: str = "Tengo una cita a las nueve.") -> bytes:
    async with asyncio.timeout(20):
        return b"".join([piece.pcm async for piece in speaker.render(prepare(text))])


def alike(one: bytes, other: bytes) -> bool:
    """Whether two renderings are of the same phrase by the same voice: as loud at the same times. No two are the same.

    Measured: 0.96 and more for one voice, 0.64 and less for two.
    """
    first, second = loudness(one), loudness(other)
    length = min(len(first), len(second))
    return float(np.corrcoef(first[:length], second[:length])[0, 1]) > 0.85


def loudness(pcm: bytes) -> npt.NDArray[np.float64]:
    """Return the loudness of each 20 ms."""
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(np.float64))
    levels: npt.NDArray[np.float64] = np.log1p(samples[: len(samples) // 320 * 320].reshape(-1, 320).mean(1))
    return levels


async def test_a_phrase_sounds_as_it_does_to_a_stream_of_its_language(engine: EspeakEngine) -> None:
    voices = Voices(engine, ENGLISH, {"es-ES": SPANISH})
    english, spanish = await audio(voices.of("")), await audio(voices.of("es-ES"))
    assert not alike(english, spanish)
    assert alike(spanish, await audio(engine.speaker(SPANISH)))
    assert alike(english, await audio(voices.of("fr-FR")))


async def test_a_language_without_a_voice_is_spoken_in_the_streams_own(engine: EspeakEngine) -> None:
    voices = Voices(engine, ENGLISH, {"xx-XX": NOBODYS, "es-ES": SPANISH})
    assert voices.languages == ("es-ES",)
    assert alike(await audio(voices.of("xx-XX")), await audio(voices.of("")))


async def test_a_voice_that_is_named_must_be_there(engine: EspeakEngine) -> None:
    with pytest.raises(InvalidInput, match="unknown voice"):
        Voices(engine, ENGLISH, {"es-ES": SpeakerConfig(16000, voice="nobody", language="es-ES")})
    with pytest.raises(InvalidInput, match="xx-XX"):
        Voices(engine, NOBODYS, {"es-ES": SPANISH})
