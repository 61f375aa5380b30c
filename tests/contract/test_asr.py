"""What every recognition engine must do, through its Protocol and through the real servicer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from voice.asr.v1 import asr_pb2 as pb
from voice.common.v1 import common_pb2

from services.asr.engine import AsrEngine, KeyTerm, StreamOptions
from services.asr.engines import ENGINES
from services.asr.servicer import AsrService
from services.asr.settings import AsrSettings
from services.common.registry import load_engine
from tests.integration.asr.caller import Caller, config
from tests.integration.asr.spoken import say
from tests.integration.turn.speech import silence
from tests.support.servers import serving

pytestmark = pytest.mark.contract

TEXT = "what are your opening hours"
GRAMMAR = f"#JSGF V1.0; grammar t; public <said> = {TEXT} | how much is a cleaning | yes please;"
VOICE = "en-us+f2"


def speech(rate_hz: int = 16000) -> bytes:
    return silence(250, rate_hz) + say(TEXT, rate_hz, VOICE) + silence(200, rate_hz)


@pytest.fixture(params=sorted(ENGINES))
def settings(request: pytest.FixtureRequest) -> AsrSettings:
    return AsrSettings(
        engine=request.param,
        port=0,
        pocketsphinx_warm_grammars=(),
        models_dir=Path(".models/test"),
        faster_whisper_model="whisper-words",
        faster_whisper_device="cpu",
        faster_whisper_partial_wait_ms=500,  # the tests speak faster than anybody, and want to hear partials
        fake_texts=(TEXT, "yes please"),
        fake_word_ms=100,
    )


@pytest.fixture
async def engine(settings: AsrSettings) -> AsyncIterator[AsrEngine]:
    loaded: AsrEngine = load_engine(ENGINES, settings.engine, setting="PARLEY_ASR_ENGINE")(settings)
    await loaded.start()
    yield loaded
    await loaded.close()


@pytest.fixture
async def channel(settings: AsrSettings) -> AsyncIterator[grpc.aio.Channel]:
    async with serving(AsrService(settings), settings) as (_, channel):
        yield channel


# --- through the Protocol ---


async def test_engine_names_itself(engine: AsrEngine, settings: AsrSettings) -> None:
    assert engine.capabilities.engine == settings.engine
    assert engine.capabilities.model


async def test_speech_becomes_words_with_times(engine: AsrEngine) -> None:
    stream = await engine.open(StreamOptions(16000, "en-US", grammar=GRAMMAR))
    pcm = speech()
    await stream.accept(pcm)
    final = await stream.finalize()
    await stream.close()
    assert final.text == TEXT
    assert [word.text for word in final.words] == TEXT.split()
    assert 0 < final.confidence <= 1
    edges = [edge for word in final.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert edges[-1] <= len(pcm) / 32 + 1  # rounded


@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000])
async def test_any_rate_is_taken(engine: AsrEngine, rate_hz: int) -> None:
    stream = await engine.open(StreamOptions(rate_hz, grammar=GRAMMAR))
    await stream.accept(speech(rate_hz))
    assert (await stream.finalize()).text == TEXT
    await stream.close()


async def test_audio_may_follow_a_final_and_the_next_final_covers_all(engine: AsrEngine) -> None:
    stream = await engine.open(StreamOptions(16000, grammar=GRAMMAR))
    first, second = say("how much is", 16000, VOICE), say("a cleaning", 16000, VOICE)
    await stream.accept(silence(250) + first + silence(150))
    early = await stream.finalize()
    await stream.accept(silence(100) + second + silence(200))
    final = await stream.finalize()
    await stream.close()
    assert len(final.text.split()) >= len(early.text.split()) > 0
    assert final.words[-1].end_ms > 250 + len(first) / 32


async def test_finalizing_twice_says_the_same(engine: AsrEngine) -> None:
    stream = await engine.open(StreamOptions(16000, grammar=GRAMMAR))
    await stream.accept(speech())
    first = await stream.finalize()
    assert (await stream.finalize()).text == first.text
    await stream.close()


async def test_without_audio_there_is_no_text(engine: AsrEngine) -> None:
    stream = await engine.open(StreamOptions(16000))
    assert (await stream.partial()).text == ""
    assert (await stream.finalize()).text == ""
    await stream.close()


async def test_reset_drops_the_utterance(engine: AsrEngine) -> None:
    stream = await engine.open(StreamOptions(16000, grammar=GRAMMAR))
    await stream.accept(speech())
    await stream.reset()
    assert (await stream.partial()).text == ""
    assert (await stream.finalize()).text == ""
    await stream.close()


async def test_streams_are_counted(engine: AsrEngine) -> None:
    streams = [await engine.open(StreamOptions(16000, key_terms=(KeyTerm("willow dental", 0.5),))) for _ in range(3)]
    assert engine.running == 3
    for stream in streams:
        await stream.close()
    assert engine.running == 0


# --- through the servicer ---


async def test_a_stream_from_ready_to_finish(channel: grpc.aio.Channel, settings: AsrSettings) -> None:
    caller = await Caller.connect(channel, grammar=GRAMMAR, turn_epoch=7, session_id="s")
    assert caller.ready.ready.info.engine == settings.engine
    assert caller.ready.turn_epoch == 7
    await caller.audio(speech())
    final = await caller.finalize(3)
    assert final.hypothesis.text == final.hypothesis.stable_prefix == TEXT
    assert final.hypothesis.finalize_id == 3
    assert final.turn_epoch == 7
    assert caller.partials
    assert not any(partial.hypothesis.finalize_id for partial in caller.partials)
    await caller.reset(8)
    await caller.audio(speech())
    last = await caller.finish()
    assert last.turn_epoch == 8
    assert last.hypothesis.finalize_id == 0
    assert last.hypothesis.text
    assert await caller.ended_well()


async def test_the_stable_prefix_only_grows(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel, grammar=GRAMMAR)
    await caller.audio(speech())
    final = await caller.finalize()
    prefix = ""
    for hypothesis in [*(partial.hypothesis for partial in caller.partials), final.hypothesis]:
        assert hypothesis.stable_prefix.startswith(prefix)
        assert hypothesis.text.startswith(hypothesis.stable_prefix)
        prefix = hypothesis.stable_prefix


async def test_audio_messages_concatenated_are_one(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel, grammar=GRAMMAR)
    pcm = speech()
    half = len(pcm) // 4 * 2
    joined = b"".join(pb.RecognizeRequest(audio=[part]).SerializeToString() for part in (pcm[:half], pcm[half:]))
    await caller.send(pb.RecognizeRequest.FromString(joined))
    assert (await caller.finalize()).hypothesis.text == TEXT


BAD_FIRST: dict[str, pb.RecognizeRequest] = {
    "no config": pb.RecognizeRequest(audio=[b"\0\0"]),
    "no rate": pb.RecognizeRequest(config=pb.RecognizeConfig()),
    "odd rate": config(11025),
    "no encoding": pb.RecognizeRequest(config=pb.RecognizeConfig(format=common_pb2.AudioFormat(sample_rate_hz=16000))),
    "empty term": config(key_terms=[pb.KeyTerm(text=" ")]),
    "not the first of its languages": config(language="en-US", languages=["es-ES", "de-DE"]),
    "too many languages": config(language="x0", languages=[f"x{number}" for number in range(33)]),
    "strong term": config(key_terms=[pb.KeyTerm(text="willow", boost=7)]),
}
BAD_LATER: dict[str, pb.RecognizeRequest] = {
    "odd bytes": pb.RecognizeRequest(audio=[b"\0\0\0"]),
    "oversized": pb.RecognizeRequest(audio=[silence(5100)]),
    "empty": pb.RecognizeRequest(),
    "second config": config(),
    "id 0": pb.RecognizeRequest(finalize=pb.FinalizeUtterance()),
    "epoch backwards": pb.RecognizeRequest(reset=pb.ResetUtterance(turn_epoch=2)),
}


async def test_bad_input_is_refused_and_others_go_on(channel: grpc.aio.Channel) -> None:
    bystander = await Caller.connect(channel, grammar=GRAMMAR)
    pcm = speech()
    await bystander.audio(pcm[:20000])
    for request in BAD_FIRST.values():
        caller = Caller(channel)
        await caller.send(request)
        await refused(caller)
    for request in BAD_LATER.values():
        caller = await Caller.connect(channel, turn_epoch=3)
        await caller.send(request)
        await refused(caller)
    await bystander.audio(pcm[20000:])
    assert (await bystander.finalize()).hypothesis.text == TEXT


async def refused(caller: Caller) -> None:
    failure = await caller.failure()
    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT, failure
    assert failure.details()


async def test_of_several_languages_those_that_are_told_apart_are_named(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel, language="en-US", languages=["en-US", "de-DE"], grammar=GRAMMAR)
    assert list(caller.ready.ready.languages) in ([], ["en-US", "de-DE"])
    await caller.audio(speech())
    final = (await caller.finish()).hypothesis
    assert (final.text, final.language) == (TEXT, "en-US")


async def test_audio_far_faster_than_real_time_is_refused(settings: AsrSettings) -> None:
    hasty = settings.model_copy(update={"audio_burst_ms": 3000})
    async with serving(AsrService(hasty), hasty) as (_, channel):
        caller = await Caller.connect(channel)
        await caller.audio(silence(4000), chunk_ms=1000)
        failure = await caller.failure()
    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailing: dict[str, Any] = dict(failure.trailing_metadata() or ())
    assert int(trailing["retry-after-ms"]) > 0


async def test_a_caller_that_vanishes_leaves_nothing(settings: AsrSettings) -> None:
    service = AsrService(settings)
    async with serving(service, settings) as (server, channel):
        caller = await Caller.connect(channel, grammar=GRAMMAR)
        await caller.audio(speech())
        caller.call.cancel()
        other = await Caller.connect(channel, grammar=GRAMMAR)
        await other.audio(speech())
        assert (await other.finish()).hypothesis.text
        assert await other.ended_well()
    assert server.interceptor.active_streams == 0
    assert service.engine.running == 0
