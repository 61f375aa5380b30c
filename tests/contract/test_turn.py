"""What every turn engine must do, through its Protocol and through the real servicer."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

import grpc.aio
import pytest

from services.common.errors import Overloaded
from services.common.registry import load_engine
from services.turn.engine import Frame, TurnEngine
from services.turn.engines import ENGINES
from services.turn.servicer import TurnService
from services.turn.settings import TurnSettings
from tests.integration.turn.caller import Caller
from tests.integration.turn.speech import say, silence
from tests.support.servers import serving

pytestmark = pytest.mark.contract

RATES_HZ = (8000, 16000, 22050, 48000)


@pytest.fixture(params=sorted(ENGINES))
def settings(request: pytest.FixtureRequest) -> TurnSettings:
    return TurnSettings(engine=request.param, port=0, max_streams=4, audio_burst_ms=60_000, stall_grace_ms=10_000)


@pytest.fixture
async def engine(settings: TurnSettings) -> AsyncIterator[TurnEngine]:
    loaded: TurnEngine = load_engine(ENGINES, settings.engine, setting="PARLEY_TURN_ENGINE")(settings)
    await loaded.start()
    yield loaded
    await loaded.close()


@pytest.fixture
async def channel(settings: TurnSettings) -> AsyncIterator[grpc.aio.Channel]:
    async with serving(TurnService(settings), settings) as (_, channel):
        yield channel


async def hear(engine: TurnEngine, pcm: bytes, rate_hz: int, chunk_bytes: int) -> list[Frame]:
    stream = engine.open(rate_hz)
    frames: list[Frame] = []
    for at in range(0, len(pcm), chunk_bytes):
        frames += (await stream.hear(pcm[at : at + chunk_bytes])).frames
    stream.close()
    return frames


async def test_capabilities_name_the_engine(engine: TurnEngine, settings: TurnSettings) -> None:
    assert engine.capabilities.engine == settings.engine
    assert engine.capabilities.model
    assert engine.capabilities.capacity_streams == 4


@pytest.mark.parametrize("rate_hz", RATES_HZ)
async def test_frames_follow_one_another_and_tell_speech_from_silence(engine: TurnEngine, rate_hz: int) -> None:
    pcm = silence(640, rate_hz) + say("hello there", rate_hz) + silence(640, rate_hz)
    frames = await hear(engine, pcm, rate_hz, rate_hz // 50 * 2)
    assert frames[0].start_ms == 0
    assert all(before.end_ms == after.start_ms for before, after in itertools.pairwise(frames))
    assert all(0 <= frame.speech <= 1 for frame in frames)
    length_ms = len(pcm) / 2 / rate_hz * 1000
    assert length_ms - 100 < frames[-1].end_ms <= length_ms + 1
    assert max(frame.speech for frame in frames if frame.end_ms <= 500) < 0.5
    assert max(frame.speech for frame in frames if frame.start_ms > 640) > 0.8
    assert frames[-1].speech < 0.5


async def test_chunks_of_any_length_are_taken(engine: TurnEngine) -> None:
    pcm = silence(320) + say("hello there")
    for chunk_bytes in (2, 998, len(pcm)):
        frames = await hear(engine, pcm[: 16000 if chunk_bytes == 2 else None], 16000, chunk_bytes)
        assert frames[-1].end_ms > 0


async def test_judge_gives_a_probability_or_says_that_it_has_none(engine: TurnEngine) -> None:
    stream = engine.open(16000)
    await stream.hear(say("yes please") + silence(96))
    answer = await stream.judge(0.0)
    stream.close()
    assert (answer is not None) is engine.capabilities.uses_audio_model
    assert answer is None or 0 <= answer.probability <= 1


async def test_streams_do_not_hear_one_another(engine: TurnEngine) -> None:
    speech = silence(320) + say("what are your opening hours") + silence(320)
    alone = await hear(engine, speech, 16000, 640)
    together = await asyncio.gather(
        hear(engine, speech, 16000, 640), hear(engine, silence(3000), 16000, 640), hear(engine, speech, 16000, 6400)
    )
    assert [frame.speech for frame in together[0]] == pytest.approx([frame.speech for frame in alone], abs=1e-3)
    assert max(frame.speech for frame in together[1]) < 0.5


async def test_a_closed_stream_frees_its_place_with_nothing_left_of_it(engine: TurnEngine) -> None:
    speech = silence(320) + say("hello there")
    first = await hear(engine, speech, 16000, 640)
    for _ in range(8):
        again = await hear(engine, speech, 16000, 640)
    assert [frame.speech for frame in again] == pytest.approx([frame.speech for frame in first], abs=1e-3)


async def test_more_streams_than_places_are_refused_or_served(engine: TurnEngine) -> None:
    streams = [engine.open(16000) for _ in range(4)]
    with contextlib.suppress(Overloaded):
        streams.append(engine.open(16000))
        await streams[-1].hear(silence(100))
    for stream in streams:
        stream.close()
        stream.close()
    engine.open(16000).close()


async def test_a_turn_as_events(channel: grpc.aio.Channel, settings: TurnSettings) -> None:
    caller = await Caller.connect(channel, turn_epoch=3, session_id="s")
    assert caller.events[0].ready.info.engine == settings.engine
    pcm = silence(400) + say("yes please")
    await caller.audio(pcm)
    started = await caller.until("speech_started")
    assert 300 <= started.speech_started.onset_ms <= started.audio_offset_ms
    await caller.text("yes please", turn_epoch=3)
    await caller.audio(silence(4000))
    ended = await caller.until("end_of_turn")
    kinds = caller.kinds()
    assert kinds.index("speech_started") < kinds.index("speech_stopped") < kinds.index("end_of_turn")
    assert "eager_end_of_turn" in kinds
    spoken_ms = len(pcm) / 32
    assert ended.end_of_turn.speech_end_ms == pytest.approx(spoken_ms, abs=150)
    assert ended.end_of_turn.delay_ms <= 3000
    assert 0 <= ended.end_of_turn.probability <= 1
    assert ended.end_of_turn.reason
    assert {event.turn_epoch for event in caller.events} == {3}
    assert all(event.HasField("timing") for event in caller.events)
    await caller.finish()


async def test_minutes_of_silence_say_nothing(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel)
    await caller.audio(silence(50_000), chunk_ms=1000)
    assert await caller.finish() == ["ready"]


async def test_finish_ends_an_open_turn(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel)
    await caller.audio(silence(400) + say("my name is"))
    kinds = await caller.finish()
    assert kinds[:2] == ["ready", "speech_started"]
    assert kinds[-1] == "end_of_turn"


async def test_speech_over_the_agent_is_a_backchannel_or_an_interruption(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel)
    await caller.agent(True)
    await caller.audio(silence(400) + say("okay") + silence(1000))
    await caller.until("backchannel")
    assert "end_of_turn" not in caller.kinds()
    await caller.audio(silence(400) + say("no stop") + silence(60))
    await caller.text("no stop")
    await caller.until("interruption")
    await caller.audio(silence(4000))
    await caller.until("end_of_turn")
    assert caller.kinds().count("interruption") == 1
    await caller.finish()


async def test_a_caller_that_vanishes_leaves_its_place(channel: grpc.aio.Channel, settings: TurnSettings) -> None:
    for _ in range(settings.max_streams * 3):
        caller = await Caller.connect(channel)
        await caller.audio(say("hello there"))
        caller.call.cancel()
        assert await caller.call.code() is grpc.StatusCode.CANCELLED
        await asyncio.sleep(0)
    last = await Caller.connect(channel)
    await last.finish()
