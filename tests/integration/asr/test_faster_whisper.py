"""A real Whisper, tiny and taught a few words of English and German, through the real library, and gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import numpy as np
import pytest

from services.asr.engine import KeyTerm, Recognised, StreamOptions
from services.asr.engines.faster_whisper import FasterWhisper
from services.asr.servicer import AsrService
from services.asr.settings import AsrSettings
from services.common.audio import float_to_pcm
from tests.integration.asr.caller import Caller
from tests.integration.asr.spoken import say
from tests.integration.turn.speech import silence
from tests.support.servers import serving

pytestmark = pytest.mark.integration

VOICE = "en-us+f2"
SETTINGS = AsrSettings(
    engine="faster-whisper",
    port=0,
    models_dir=Path(".models/test"),
    faster_whisper_model="whisper-words",
    faster_whisper_device="cpu",
    faster_whisper_languages=("en", "de"),
    faster_whisper_context_ms=8000,  # a quarter of the time, and this model was taught so
    faster_whisper_partial_wait_ms=500,  # audio comes faster here than anybody speaks
)


@pytest.fixture
async def engine() -> AsyncIterator[FasterWhisper]:
    loaded = FasterWhisper(SETTINGS)
    await loaded.start()
    yield loaded
    await loaded.close()


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    async with serving(AsrService(SETTINGS), SETTINGS) as (_, channel):
        yield channel


def spoken(text: str, voice: str = VOICE) -> bytes:
    return silence(250) + say(text, 16000, voice) + silence(250)


async def hear(engine: FasterWhisper, pcm: bytes, **options: object) -> Recognised:
    stream = await engine.open(StreamOptions(16000, **options))  # type: ignore[arg-type]
    for at in range(0, len(pcm), 3200):
        await stream.accept(pcm[at : at + 3200])
        await stream.partial()
    final = await stream.finalize()
    await stream.close()
    return final


async def test_known_words_come_back_partials_first(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel, language="en-US")
    assert caller.ready.ready.info.model == "whisper-words"
    await caller.audio(spoken("how much is a cleaning"))
    final = (await caller.finalize(1)).hypothesis
    partials = [partial.hypothesis for partial in caller.partials]
    assert final.text == "how much is a cleaning"
    assert [word.text for word in final.words] == final.text.split()
    assert final.language == "en-US"
    assert len({partial.text for partial in partials}) >= 2
    assert any(partial.stable_prefix for partial in partials)
    assert all(final.text.startswith(partial.stable_prefix) for partial in partials)
    await caller.reset(2)
    await caller.audio(spoken("no thank you"))
    assert (await caller.finish()).hypothesis.text == "no thank you"


async def test_callers_at_once_are_each_understood(engine: FasterWhisper) -> None:
    texts = ["what are your opening hours", "yes please", "is monday open", "how much is a cleaning"]
    finals = await asyncio.gather(*(hear(engine, spoken(text), language="en-US") for text in texts))
    assert [final.text for final in finals] == texts


async def test_a_pause_does_not_break_a_sentence(engine: FasterWhisper) -> None:
    pcm = silence(200) + say("how much is", 16000, VOICE) + silence(1500) + say("a cleaning", 16000, VOICE)
    final = await hear(engine, pcm + silence(300), language="en-US")
    assert final.text == "how much is a cleaning"
    assert final.words[3].start_ms - final.words[2].end_ms > 1000


async def test_a_long_speech_is_heard_stretch_by_stretch(engine: FasterWhisper) -> None:
    phrases = ["what are your opening hours", "how much is a cleaning", "is monday open", "no thank you"]
    pcm = b"".join(silence(1000) + say(phrase, 16000, VOICE) for phrase in phrases)
    final = await hear(engine, pcm + silence(300), language="en-US")
    assert final.text == " ".join(phrases)
    edges = [edge for word in final.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert edges[-1] <= len(pcm) / 32


async def test_a_language_is_detected_and_may_change_between_turns(engine: FasterWhisper) -> None:
    stream = await engine.open(StreamOptions(16000))
    for text, voice, language in (
        ("what are your opening hours", VOICE, "en"),
        ("auf wiedersehen", "de", "de"),
        ("how much is a cleaning", VOICE, "en"),
    ):
        await stream.reset()
        await stream.accept(spoken(text, voice))
        final = await stream.finalize()
        assert (final.text, final.language) == (text, language)
    await stream.close()


async def test_of_the_languages_that_a_stream_names_the_one_that_is_spoken_is_told(engine: FasterWhisper) -> None:
    stream = await engine.open(StreamOptions(16000, "en-US", ("en-US", "de-AT", "fr-FR")))
    assert stream.languages == ("en-US", "de-AT")
    for text, voice, language in (
        ("what are your opening hours", VOICE, "en-US"),
        ("auf wiedersehen", "de", "de-AT"),
        ("how much is a cleaning", VOICE, "en-US"),
    ):
        await stream.reset()
        await stream.accept(spoken(text, voice))
        final = await stream.finalize()
        assert (final.text, final.language) == (text, language)
    await stream.close()


async def test_a_key_term_decides_the_spelling(engine: FasterWhisper) -> None:
    pcm = spoken("my name is smith")
    assert (await hear(engine, pcm, language="en-US")).text == "my name is smith"
    favoured = await hear(engine, pcm, language="en-US", key_terms=(KeyTerm("smyth", 0.5),))
    assert favoured.text == "my name is smyth"


async def test_noise_is_never_words(engine: FasterWhisper) -> None:
    noise = np.random.default_rng(1).standard_normal(16000 * 3).astype(np.float32)
    for level in (0.003, 0.03, 0.1):
        final = await hear(engine, silence(200) + float_to_pcm(noise * np.float32(level)), language="en-US")
        assert (final.text, final.confidence) == ("", 0), level
