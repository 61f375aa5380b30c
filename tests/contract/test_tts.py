"""What every speech engine must do, through its Protocol and through the real servicer on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from voice.tts.v1 import tts_pb2

from services.common.audio import SAMPLE_RATES_HZ
from services.common.errors import InvalidInput
from services.common.registry import load_engine
from services.tts.engine import Pronunciation, Rendered, SpeakerConfig, TtsEngine
from services.tts.engines import ENGINES
from services.tts.settings import TtsSettings
from services.tts.text import Phrase, prepare
from tests.integration.tts.client import Running, running
from tests.support.piper import PIPER_TINY, shaped_voice

pytestmark = pytest.mark.contract

TEXTS = [
    "Hello.",
    "Café at 10:30, Saoirse",
    "I am fine, thanks. How are you? It's 21°C — really.",
    "Your total is $45.50 for 3 items; see you on 12/10/2024, Dr. Smith!",
    "**Bold** and <b>tagged</b> 😀 and naïve",
    "one\ntwo\r\nthree",
    "\x01\x1b[[h@l'oU]] a",
    "日本語です。",
]
LONG = "The quick brown fox jumps over the lazy dog, and then it rests for a while. " * 20


@pytest.fixture(params=[*sorted(ENGINES), "piper, decoding in pieces"])
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def piper_in_pieces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return shaped_voice(tmp_path_factory.mktemp("voices"))


@pytest.fixture
def engine_name(variant: str) -> str:
    return variant.partition(",")[0]


@pytest.fixture
def voices(variant: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return settings of the voice to test an engine with: piper's tones, or a voice that can decode in pieces."""
    if variant == "piper":
        return PIPER_TINY
    if not variant.startswith("piper"):
        return {}
    in_pieces: dict[str, Any] = request.getfixturevalue("piper_in_pieces")
    return in_pieces


@pytest.fixture
async def engine(engine_name: str, voices: dict[str, Any]) -> AsyncIterator[TtsEngine]:
    made: TtsEngine = load_engine(ENGINES, engine_name, setting="engine")(
        TtsSettings(fake_chunk_ms=2000, fake_first_audio_ms=5, **voices)
    )
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def server(engine_name: str, voices: dict[str, Any]) -> AsyncIterator[Running]:
    async with running(engine=engine_name, **voices) as made:
        yield made


async def render(engine: TtsEngine, phrase: Phrase, config: SpeakerConfig | None = None) -> list[Rendered]:
    async with asyncio.timeout(20):
        return [piece async for piece in engine.speaker(config or SpeakerConfig(16000)).render(phrase)]


def audio_ms(pieces: list[Rendered], rate_hz: int = 16000) -> float:
    return sum(len(piece.pcm) for piece in pieces) * 500 / rate_hz


def check(phrase: Phrase, pieces: list[Rendered], rate_hz: int = 16000) -> None:
    """Every word once, in order, within the audio; one last piece; whole samples."""
    assert [piece.is_last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(len(piece.pcm) % 2 == 0 for piece in pieces)
    words = [word for piece in pieces for word in piece.words]
    assert tuple(word.span for word in words) == phrase.words
    starts = [word.start_ms for word in words]
    assert starts == sorted(starts)
    assert all(word.start_ms <= word.end_ms <= audio_ms(pieces, rate_hz) for word in words)
    given = heard_ms = 0.0
    for piece in pieces:  # words come no later than the audio that they are in
        given += len(piece.words)
        heard_ms += len(piece.pcm) * 500 / rate_hz
        assert sum(start + 1 < heard_ms for start in starts) <= given  # times are whole milliseconds, rounded down


async def test_names_itself_and_its_voices(engine: TtsEngine, engine_name: str) -> None:
    assert engine.capabilities.engine == engine_name
    assert engine.capabilities.model
    assert "en-us" in engine.capabilities.voices
    assert engine.capabilities.native_rate_hz in SAMPLE_RATES_HZ


@pytest.mark.parametrize("text", TEXTS)
async def test_times_every_word_within_the_audio(engine: TtsEngine, text: str) -> None:
    phrase = prepare(text)
    pieces = await render(engine, phrase)
    check(phrase, pieces)
    assert audio_ms(pieces) > 100
    assert engine.running == 0


async def test_a_long_phrase_comes_in_pieces_that_fit_together(engine: TtsEngine) -> None:
    phrase = prepare(LONG)
    pieces = await render(engine, phrase)
    assert len(pieces) > 2
    check(phrase, pieces)


@pytest.mark.parametrize("rate_hz", SAMPLE_RATES_HZ)
async def test_every_rate_gives_the_same_speech(engine: TtsEngine, rate_hz: int) -> None:
    phrase = prepare("The first part. " + LONG[:300])
    native = engine.capabilities.native_rate_hz
    pieces = await render(engine, phrase, SpeakerConfig(rate_hz))
    check(phrase, pieces, rate_hz)
    expected_ms = audio_ms(await render(engine, phrase, SpeakerConfig(native)), native)
    assert audio_ms(pieces, rate_hz) == pytest.approx(expected_ms, rel=0.02)


async def test_speed_changes_the_length(engine: TtsEngine) -> None:
    phrase = prepare("The quick brown fox jumps over the lazy dog.")
    slow = audio_ms(await render(engine, phrase, SpeakerConfig(16000, speed=0.5)))
    fast = audio_ms(await render(engine, phrase, SpeakerConfig(16000, speed=2)))
    assert slow == pytest.approx(4 * fast, rel=0.25)


async def test_a_pronunciation_keeps_the_words_as_written(engine: TtsEngine) -> None:
    phrase = prepare("Hi SAOIRSE, this is Saoirse's café.")
    said = (Pronunciation("saoirse", respelling="seer sha"), Pronunciation("café", ipa="k\u00e6\u02c8fe\u026a"))
    check(phrase, await render(engine, phrase, SpeakerConfig(16000, pronunciations=said)))


async def test_an_unknown_voice_is_refused_with_known_ones(engine: TtsEngine) -> None:
    with pytest.raises(InvalidInput, match="en-"):
        engine.speaker(SpeakerConfig(16000, voice="en-nowhere"))


async def test_closing_a_phrase_stops_it(engine: TtsEngine) -> None:
    async with aclosing(engine.speaker(SpeakerConfig(16000)).render(prepare(LONG))) as pieces:
        await anext(pieces)
        assert engine.running == 1
    assert engine.running == 0


async def test_cancelling_a_wait_stops_the_engine(engine: TtsEngine) -> None:
    async def speak() -> None:
        await render(engine, prepare(LONG))

    async with asyncio.timeout(20):
        tasks = [asyncio.create_task(speak()) for _ in range(4)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    assert engine.running == 0
    check(prepare("Hello."), await render(engine, prepare("Hello.")))


async def test_many_streams_at_once_get_their_own_words(engine: TtsEngine) -> None:
    phrases = [prepare(f"Stream number {number} says {'so ' * number}much.") for number in range(12)]
    spoken = await asyncio.gather(*(render(engine, phrase) for phrase in phrases))
    for phrase, pieces in zip(phrases, spoken, strict=True):
        check(phrase, pieces)
    assert engine.running == 0


@pytest.mark.parametrize("text", TEXTS)
async def test_a_phrase_over_grpc(server: Running, text: str) -> None:
    client = server.client()
    ready = await client.open()
    assert ready.info.engine == server.service.engine.capabilities.engine
    assert "en-us" in ready.voices
    heard = await client.say(text)
    assert [word.text for word in heard.words] == [text[span.start : span.end] for span in prepare(text).words]
    assert all(text[word.char_start : word.char_end] == word.text for word in heard.words)
    assert heard.frames[0] == 640, "20 ms first"
    assert len(heard.frames) <= 2 or heard.frames[1] == 3200, "then 100 ms"
    await client.finish()
    assert await client.rest() == []


async def test_words_come_before_the_audio_they_are_in(server: Running) -> None:
    client = server.client()
    await client.open()
    await client.text("Hello there, how are you?")
    assert (await client.read()).HasField("words")


async def test_phrases_are_spoken_in_order_and_flushed_after(server: Running) -> None:
    client = server.client()
    await client.open()
    for phrase in range(5):
        await client.text(f"This is phrase number {phrase}.", phrase=phrase)
    await client.flush()
    heard = [await client.read_phrase(phrase=phrase) for phrase in range(5)]
    flushed = await client.read()
    assert flushed.turn_epoch == 1
    assert flushed.flushed.audio_ms == sum(len(phrase.pcm) for phrase in heard) // 32
    assert all(len(phrase.frames) <= 10 for phrase in heard)


@pytest.mark.parametrize("text", ["", "   ", "...", "—", "**", "😀", "\x00\x07", "<br/>"])
async def test_nothing_to_say_ends_at_once(server: Running, text: str) -> None:
    client = server.client()
    await client.open()
    heard = await client.say(text)
    assert (heard.pcm, heard.frames, heard.words) == (b"", [0], [])
    assert (await client.say("And on.", phrase=1)).pcm


async def test_cancel_stops_an_epoch_and_the_next_follows_at_once(server: Running) -> None:
    client = server.client()
    await client.open()
    for phrase in range(20):
        await client.text(LONG, epoch=3, phrase=phrase)
    while not (await client.read()).HasField("audio"):
        pass
    await client.cancel(3)
    await client.text("Too late.", epoch=3, phrase=21)
    await client.flush(3)
    await client.text("Hello again.", epoch=4)
    await client.flush(4)
    before, flushed = await client.read_until_flushed()
    epochs = [response.turn_epoch for response in before]
    assert epochs == sorted(epochs)
    assert set(epochs) <= {3, 4}
    assert flushed.turn_epoch == 4
    assert any(response.audio.is_last for response in before if response.turn_epoch == 4)
    assert sum(len(response.audio.pcm) for response in before if response.turn_epoch == 3) < 20 * 16 * 32 * 4000
    assert server.service.engine.running == 0


async def test_a_cancelled_attempt_is_not_heard_and_the_next_of_the_same_epoch_is(server: Running) -> None:
    client = server.client()
    await client.open()
    for phrase in range(10):
        await client.text(LONG, epoch=3, phrase=phrase)
    while not (await client.read()).HasField("audio"):
        pass
    await client.cancel(3, attempt=0)
    await client.text("Too late.", epoch=3, phrase=10)
    await client.text("Given up before it began.", epoch=3, attempt=1)
    await client.cancel(3, attempt=1)
    await client.text("Hello again.", epoch=3, attempt=2)
    await client.flush(3, attempt=2)
    before, flushed = await client.read_until_flushed()
    attempts = [response.attempt for response in before]
    assert attempts == sorted(attempts)
    assert not any(response.audio.phrase_id > 0 for response in before if response.attempt == 0)
    spoken = [response.audio for response in before if response.attempt == 2 and response.HasField("audio")]
    assert spoken[0].offset_ms == 0
    assert spoken[-1].is_last
    assert (flushed.turn_epoch, flushed.attempt) == (3, 2)
    assert flushed.flushed.audio_ms == sum(len(audio.pcm) for audio in spoken) // 32
    assert server.service.engine.running == 0


async def test_finish_speaks_the_rest_and_closes(server: Running) -> None:
    client = server.client()
    await client.open()
    for phrase in range(3):
        await client.text("Good bye, and thank you.", phrase=phrase)
    await client.finish()
    await client.call.done_writing()
    rest = await client.rest()
    assert [response.audio.phrase_id for response in rest if response.audio.is_last] == [0, 1, 2]
    assert await client.call.code() == grpc.StatusCode.OK


async def test_a_caller_that_vanishes_leaves_nothing_running(server: Running) -> None:
    client = server.client()
    await client.open()
    for phrase in range(50):
        await client.text(LONG, phrase=phrase)
    await client.read()
    client.call.cancel()
    await server.until_idle()
    other = server.client()
    await other.open()
    assert (await other.say("Still here.")).pcm


@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000])
async def test_the_wanted_rate_is_sent(server: Running, rate_hz: int) -> None:
    client = server.client(rate_hz)
    await client.open()
    heard = await client.say("Hello there, how are you today?")
    assert heard.frames[0] == 2 * round(rate_hz * 0.02)
    assert max(heard.frames) <= 2 * rate_hz * 0.44
    assert heard.words[-1].end_ms <= len(heard.pcm) * 500 / rate_hz


async def test_an_unknown_voice_is_invalid_argument(server: Running) -> None:
    client = server.client()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await client.open(voice="en-nowhere")
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "en-us" in (refused.value.details() or "")


async def test_a_phrase_is_spoken_in_the_voice_of_its_language(server: Running) -> None:
    client = server.client()
    fast = tts_pb2.LanguageVoice(language="en-GB", speed=2.0)
    ready = await client.open(languages=[fast])
    assert list(ready.languages) == ["en-GB"]
    lengths = []
    for phrase, language in enumerate(("", "en-GB", "fr-FR", "en-GB", "")):
        await client.text("one two three four five", phrase=phrase, language=language)
        lengths.append(len((await client.read_phrase(phrase=phrase)).pcm))
    own, others = (lengths[0], lengths[2], lengths[4]), (lengths[1], lengths[3])
    assert max(others) < 0.75 * min(own)  # a language that the config does not name is spoken as the config says
    await client.finish()
    await client.rest()


@pytest.mark.parametrize(
    "asked",
    [
        [tts_pb2.LanguageVoice(language="es-ES", voice="no such voice")],
        [tts_pb2.LanguageVoice(language="es-ES", speed=9)],
        [tts_pb2.LanguageVoice(voice="en-us")],
        [tts_pb2.LanguageVoice(language="es-ES")] * 33,
    ],
    ids=["voice", "speed", "no tag", "too many"],
)
async def test_a_language_that_cannot_be_meant_is_refused_at_the_start(
    server: Running, asked: list[tts_pb2.LanguageVoice]
) -> None:
    client = server.client()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.open(languages=asked)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details()


async def test_a_pause_before_a_phrase_is_silence_and_moves_its_words(server: Running) -> None:
    client = server.client()
    await client.open()
    plain = await client.say("Hello there.")
    await client.text("Hello there.", phrase=1, pause_ms=300)
    paused = await client.read_phrase(phrase=1)
    silence = bytes(2 * 16 * 300)
    assert paused.pcm.startswith(silence)
    assert any(paused.pcm[len(silence) : len(silence) + 3200])
    assert len(paused.pcm) >= len(silence) + len(plain.pcm) // 2
    assert [word.text for word in paused.words] == ["Hello", "there."]
    assert paused.words[0].start_ms >= 300
    await client.finish()


async def test_a_style_is_spoken_or_ignored_and_never_said(server: Running) -> None:
    client = server.client()
    await client.open()
    await client.text("Hello there.", style="cheerful")
    heard = await client.read_phrase()
    assert [word.text for word in heard.words] == ["Hello", "there."]
    assert any(heard.pcm)
    await client.text("Hello.", phrase=1, style="x" * 65)
    assert (await client.refusal()).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_pause_without_end_is_refused(server: Running) -> None:
    client = server.client()
    await client.open()
    await client.text("Hello.", pause_ms=5001)
    assert (await client.refusal()).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_server_timing_is_filled_in(server: Running) -> None:
    client = server.client()
    await client.open()
    await client.text("Hello there.")
    responses: list[tts_pb2.SynthesizeResponse] = []
    while not responses or not responses[-1].audio.is_last:
        responses.append(await client.read())
    for response in responses:
        timing = response.timing
        assert 0 < timing.received_to_sent_us < 20_000_000
        assert timing.queue_us + timing.engine_us <= timing.received_to_sent_us
