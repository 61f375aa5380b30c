"""The turn service on a real server: bad input, missing audio, failing engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from voice.turn.v1 import turn_pb2 as pb

from services.common.errors import InvalidInput, NotReady
from services.turn.engines.silero import SMART_TURN_FILE, VAD_FILE
from services.turn.servicer import GRPC_NAME, TurnService
from services.turn.settings import TurnSettings
from tests.integration.turn.caller import DEADLINE_S, Caller, config, send_all
from tests.integration.turn.speech import say, silence
from tests.support.servers import serving

pytestmark = pytest.mark.integration

SOUND = b"\x10\x10" * 320
QUIET = bytes(640)


def fake(**fields: object) -> TurnSettings:
    return TurnSettings(engine="fake", port=0, **fields)  # type: ignore[arg-type]


def audio(*chunks: bytes) -> pb.DetectRequest:
    return pb.DetectRequest(audio=chunks)


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    settings = fake()
    async with serving(TurnService(settings), settings) as (_, channel):
        yield channel


BAD = {
    "audio before config": ([audio(QUIET)], "first request must carry config"),
    "an empty first request": ([pb.DetectRequest()], "first request must carry config"),
    "agent state before config": ([pb.DetectRequest(agent_state=pb.AgentState())], "first request must carry config"),
    "no format": ([pb.DetectRequest(config=pb.DetectConfig())], "AUDIO_ENCODING_PCM_S16LE"),
    "an unknown rate": ([config(11025)], "11025"),
    "a threshold that is none": ([config(speech_threshold=1.5)], "speech_threshold"),
    "delays the wrong way round": ([config(min_endpointing_delay_ms=500, max_endpointing_delay_ms=400)], "over"),
    "a language's delays the wrong way round": (
        [config(languages=[pb.LanguageRules(language="de", min_endpointing_delay_ms=3001)])],
        "over",
    ),
    "rules of no language": ([config(languages=[pb.LanguageRules(min_endpointing_delay_ms=300)])], "tag"),
    "too many languages": ([config(languages=[pb.LanguageRules(language="de")] * 33)], "at most 32"),
    "an endless delay": ([config(max_endpointing_delay_ms=100_000)], "at most"),
    "an odd byte count": ([config(), audio(b"abc")], "even"),
    "an oversized chunk": ([config(), audio(bytes(16000 * 2 * 6))], "at most 5000 ms"),
    "a second config": ([config(), config()], "second config"),
    "a confidence that is none": (
        [config(), pb.DetectRequest(hypothesis=pb.HypothesisUpdate(text="a", confidence=2))],
        "confidence",
    ),
    "an absurd text": ([config(), pb.DetectRequest(hypothesis=pb.HypothesisUpdate(text="a" * 10_001))], "characters"),
    "an older epoch": (
        [config(turn_epoch=4), pb.DetectRequest(agent_state=pb.AgentState(turn_epoch=3))],
        "epochs only grow",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_is_refused_and_others_do_not_notice(channel: grpc.aio.Channel, case: str) -> None:
    other = await Caller.connect(channel)
    requests, words = BAD[case]
    status, details = await send_all(channel, *requests)
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert words in details
    await other.audio(SOUND + QUIET * 3)
    assert "end_of_turn" in await other.finish()


async def test_audio_far_faster_than_real_time_is_refused_with_a_delay(channel: grpc.aio.Channel) -> None:
    status, _ = await send_all(channel, config(), audio(*[bytes(32_000 * 4)] * 3))
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_empty_messages_and_empty_chunks_are_harmless(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel)
    await caller.send(pb.DetectRequest())
    await caller.send(audio(b"", b""))
    assert await caller.finish() == ["ready"]


async def test_many_chunks_and_a_control_in_one_message_apply_in_order(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel)
    await caller.send(
        pb.DetectRequest(audio=[SOUND, SOUND, QUIET, QUIET], agent_state=pb.AgentState(speaking=True, turn_epoch=1))
    )
    ended = await caller.until("end_of_turn")
    assert caller.kinds() == ["ready", "speech_started", "speech_stopped", "eager_end_of_turn", "end_of_turn"]
    assert (ended.end_of_turn.delay_ms, ended.end_of_turn.speech_end_ms, ended.turn_epoch) == (40, 40, 0)
    await caller.audio(SOUND)
    assert (await caller.until("speech_started")).turn_epoch == 1


async def test_a_hypothesis_of_an_older_epoch_is_ignored(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel, turn_epoch=5)
    await caller.agent(True, turn_epoch=6)
    await caller.audio(SOUND * 5)
    await caller.text("stop it", turn_epoch=5)
    await caller.audio(QUIET * 40)
    await caller.until("backchannel")
    await caller.finish()


async def test_the_fake_can_end_a_turn_on_the_first_silent_chunk() -> None:
    settings = fake(fake_end_of_turn_ms=0)
    async with serving(TurnService(settings), settings) as (_, channel):
        caller = await Caller.connect(channel)
        await caller.audio(SOUND + QUIET)
        assert (await caller.until("end_of_turn")).audio_offset_ms == 40


async def test_a_caller_that_mutes_at_the_end_of_speech_still_gets_its_turn_ended() -> None:
    settings = fake(fake_end_of_turn_ms=200, stall_grace_ms=50)
    async with serving(TurnService(settings), settings) as (_, channel):
        caller = await Caller.connect(channel)
        await caller.audio(SOUND * 3)
        ended = await caller.until("end_of_turn")
        assert ended.audio_offset_ms == 60
        assert ended.end_of_turn.delay_ms >= 200


async def test_an_engine_that_hangs_fails_its_stream_within_the_deadline() -> None:
    settings = fake(fake_failure="hang", fake_failure_after_ms=100, engine_timeout_ms=200, stall_grace_ms=50)
    async with serving(TurnService(settings), settings) as (_, channel):
        caller = await Caller.connect(channel)
        await caller.audio(QUIET * 10, chunk_ms=200)
        status, details = await caller.status()
    assert status is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "200 ms" in details


async def test_rubbish_from_the_engine_fails_its_stream_alone() -> None:
    settings = fake(fake_failure="rubbish", fake_failure_after_ms=100)
    async with serving(TurnService(settings), settings) as (server, channel):
        other = await Caller.connect(channel)
        caller = await Caller.connect(channel)
        await caller.audio(QUIET * 10, chunk_ms=200)
        assert (await caller.status())[0] is grpc.StatusCode.INTERNAL
        assert not server.engine_died
        assert await other.finish() == ["ready"]


async def test_an_engine_that_dies_takes_the_server_out_of_service() -> None:
    settings = fake(fake_failure="die", fake_failure_after_ms=100)
    async with serving(TurnService(settings), settings) as (server, channel):
        caller = await Caller.connect(channel)
        await caller.audio(QUIET * 10, chunk_ms=200)
        assert (await caller.status())[0] is grpc.StatusCode.INTERNAL
        async with asyncio.timeout(DEADLINE_S):
            await server.wait()
        assert server.engine_died


async def test_a_stream_that_says_nothing_is_not_waited_for_for_ever() -> None:
    settings = fake(config_timeout_ms=50)
    async with serving(TurnService(settings), settings) as (_, channel):
        call: Any = channel.stream_stream("/voice.turn.v1.TurnDetector/Detect")()
        async with asyncio.timeout(DEADLINE_S):
            assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "no config within 50 ms" in await call.details()


async def test_a_server_that_stops_tells_the_client_to_go_elsewhere_and_closes_the_stream() -> None:
    settings = fake(drain_grace_ms=5000)
    async with serving(TurnService(settings), settings) as (server, channel):
        caller = await Caller.connect(channel)
        await asyncio.gather(server.stop(), caller.until("draining"))
        assert (await caller.status())[0] is grpc.StatusCode.UNAVAILABLE


async def test_a_stream_that_is_ready_only_once_the_server_drains_is_told_all_the_same() -> None:
    settings = fake()
    service = TurnService(settings)
    async with serving(service, settings) as (_, channel):
        await service.drain()
        caller = await Caller.connect(channel)
        await caller.until("draining")


async def test_a_turn_that_is_open_is_ended_before_the_server_lets_go_of_it() -> None:
    settings = fake(drain_grace_ms=5000)
    async with serving(TurnService(settings), settings) as (server, channel):
        caller = await Caller.connect(channel)
        await caller.audio(SOUND * 10)
        await caller.until("speech_started")
        stopping = asyncio.create_task(server.stop())
        await caller.audio(QUIET * 10)
        await caller.until("draining")
        assert caller.kinds()[-2:] == ["end_of_turn", "draining"]
        await caller.call.done_writing()
        await stopping


async def test_health_is_serving_once_the_models_are_warm(channel: grpc.aio.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    response = await stub.Check(health_pb2.HealthCheckRequest(service=GRPC_NAME))
    assert response.status == health_pb2.HealthCheckResponse.SERVING


async def test_without_silero_the_service_says_what_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="fetch_turn_models"):
        await TurnService(TurnSettings(port=0, model_dir=tmp_path)).start()


async def test_a_damaged_model_says_what_fetches_it(tmp_path: Path) -> None:
    (tmp_path / VAD_FILE).write_bytes(b"no model")
    with pytest.raises(NotReady, match="fetch_turn_models"):
        await TurnService(TurnSettings(port=0, model_dir=tmp_path)).start()


async def test_an_unknown_engine_is_named_with_the_choices() -> None:
    with pytest.raises(InvalidInput, match="silero-smart-turn"):
        await TurnService(TurnSettings(port=0, engine="nonesuch")).start()


async def test_without_smart_turn_voice_activity_and_text_decide(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / VAD_FILE).symlink_to((TurnSettings().resolved_model_dir() / VAD_FILE).resolve())
    settings = TurnSettings(port=0, model_dir=tmp_path)
    async with serving(TurnService(settings), settings) as (_, channel):
        assert any(SMART_TURN_FILE in str(record.__dict__.get("missing")) for record in caplog.records)
        caller = await Caller.connect(channel)
        assert not caller.events[0].ready.uses_audio_model
        await caller.audio(silence(320) + say("yes please"))
        await caller.text("yes please")
        await caller.audio(silence(1000))
        assert (await caller.until("end_of_turn")).end_of_turn.delay_ms < 600
        await caller.finish()


async def test_an_unfinished_text_holds_a_turn_until_the_rest_is_said() -> None:
    settings = TurnSettings(port=0, audio_burst_ms=60_000, stall_grace_ms=10_000)
    async with serving(TurnService(settings), settings) as (_, channel):
        caller = await Caller.connect(channel)
        await caller.audio(silence(320) + say("my name is"))
        await caller.text("my name is")
        await caller.audio(silence(640))
        await caller.audio(say("maria lopez") + silence(60))
        await caller.text("my name is maria lopez", has_grammar=True, matches_grammar=True)
        await caller.audio(silence(1000))
        ended = await caller.until("end_of_turn")
        assert caller.kinds().count("end_of_turn") == 1
        assert caller.kinds().count("speech_started") >= 2
        assert ended.end_of_turn.speech_end_ms > 320 + 640
        await caller.finish()


async def test_a_text_is_read_by_the_rules_of_its_language() -> None:
    settings = TurnSettings(port=0, audio_burst_ms=60_000, stall_grace_ms=10_000)
    german = pb.LanguageRules(language="de-DE", max_endpointing_delay_ms=1500)
    async with serving(TurnService(settings), settings) as (_, channel):
        delays = []
        for text in ("mein name ist", "ja bitte"):
            caller = await Caller.connect(channel, languages=[german], fixed_endpointing=True)
            await caller.audio(silence(320) + say("yes please"))
            await caller.text(text, language="de")
            await caller.audio(silence(2500))
            delays.append((await caller.until("end_of_turn")).end_of_turn.delay_ms)
            await caller.finish()
        assert 800 < delays[0] <= 1500 + 32
        assert delays[1] < 800


async def test_noise_and_hum_are_no_turns() -> None:
    settings = TurnSettings(port=0, audio_burst_ms=60_000)
    seconds = np.arange(16000 * 5) / 16000
    hum = (3000 * np.sin(2 * np.pi * 50 * seconds) + 1500 * np.sin(2 * np.pi * 150 * seconds)).astype("<i2").tobytes()
    hiss = np.random.default_rng(3).normal(0, 500, 16000 * 5).astype("<i2").tobytes()
    async with serving(TurnService(settings), settings) as (_, channel):
        for sound in (hiss, hum):
            caller = await Caller.connect(channel)
            await caller.audio(sound, chunk_ms=100)
            assert await caller.finish() == ["ready"]
