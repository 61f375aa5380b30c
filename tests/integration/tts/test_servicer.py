"""Bad input, failing engines, slow readers: the stream ends with the right status, and the others do not notice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import grpc
import pytest
from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2

from services.tts.engines.fake import FakeEngine
from tests.integration.tts.client import Client, Running, running

pytestmark = pytest.mark.integration

Request = tts_pb2.SynthesizeRequest
Config = tts_pb2.SynthesizeConfig
PCM16 = common_pb2.AUDIO_ENCODING_PCM_S16LE
FORMAT = common_pb2.AudioFormat(sample_rate_hz=16000, encoding=PCM16)


async def refused(requests: list[Request], **settings: Any) -> grpc.aio.AioRpcError:
    """Send these to a fresh server beside another open stream; return the error. The other stream must still speak."""
    async with running(**settings) as server:
        other = server.client()
        await other.open()
        client = server.client()
        await client.send(*requests)
        error = await client.refusal()
        assert (await other.say("Still here.")).is_last
        return error


@pytest.mark.parametrize(
    ("requests", "says"),
    [
        ([Request(text=tts_pb2.SynthesizeText(text="hi"))], "first request must carry config"),
        ([Request()], "first request must carry config"),
        ([Request(config=Config())], "encoding"),
        ([Request(config=Config(format=common_pb2.AudioFormat(sample_rate_hz=11025, encoding=PCM16)))], "11025"),
        ([Request(config=Config(format=FORMAT, speed=3))], "0.5 to 2"),
        ([Request(config=Config(format=FORMAT, speed=-1))], "0.5 to 2"),
        ([Request(config=Config(format=FORMAT, speed=float("nan")))], "0.5 to 2"),
        ([Request(config=Config(format=FORMAT, voice="nobody"))], "nobody"),
        ([Request(config=Config(format=FORMAT, pronunciations=[tts_pb2.Pronunciation(word="x")]))], "respelling"),
        (
            [Request(config=Config(format=FORMAT, pronunciations=[tts_pb2.Pronunciation(word="x" * 101, ipa="x")]))],
            "longer than 100",
        ),
        ([Request(config=Config(format=FORMAT)), Request(config=Config(format=FORMAT))], "second config"),
        ([Request(config=Config(format=FORMAT)), Request()], "empty request"),
        (
            [Request(config=Config(format=FORMAT)), Request(text=tts_pb2.SynthesizeText(text="x" * 2001))],
            "at most 2000",
        ),
        (
            [
                Request(config=Config(format=FORMAT)),
                Request(text=tts_pb2.SynthesizeText(turn_epoch=5, text="new")),
                Request(text=tts_pb2.SynthesizeText(turn_epoch=4, text="old")),
            ],
            "never go backwards",
        ),
        (
            [
                Request(config=Config(format=FORMAT)),
                Request(text=tts_pb2.SynthesizeText(text="word " * 100)),
                Request(finish=common_pb2.FinishInput()),
                Request(text=tts_pb2.SynthesizeText(text="more")),
            ],
            "after finish",
        ),
    ],
)
async def test_bad_input_is_invalid_argument(requests: list[Request], says: str) -> None:
    # A slow engine, so that the text before is still being spoken when the bad message comes.
    error = await refused(requests, fake_first_audio_ms=100)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert says in (error.details() or "")


async def test_bad_input_in_the_middle_of_audio_ends_the_stream_with_its_status() -> None:
    async with running() as server:
        client = server.client()
        await client.open()
        for phrase in range(50):
            await client.text("word " * 300, phrase=phrase)
        await client.read()
        await client.send(Request())
        assert (await client.refusal()).code() == grpc.StatusCode.INVALID_ARGUMENT
        await server.until_idle()


async def test_an_oversized_message_is_refused() -> None:
    error = await refused(
        [Request(config=Config(format=FORMAT)), Request(text=tts_pb2.SynthesizeText(text="x" * 3_000_000))]
    )
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_too_many_waiting_phrases_are_refused() -> None:
    text = Request(text=tts_pb2.SynthesizeText(text="hello"))
    error = await refused(
        [Request(config=Config(format=FORMAT)), *[text] * 10], max_pending_phrases=4, fake_first_audio_ms=500
    )
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "4 phrases" in (error.details() or "")


async def test_streams_over_the_limit_are_refused_and_told_when_to_come_back() -> None:
    async with running(max_streams=2) as server:
        clients = [server.client() for _ in range(2)]
        for client in clients:
            await client.open()
        error = await server.client().refusal()
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert int(dict(error.trailing_metadata() or ())["retry-after-ms"]) > 0
        await clients[0].finish()
        assert await clients[0].rest() == []
        await server.client().open()


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        ("raise", grpc.StatusCode.INTERNAL),
        ("crash", grpc.StatusCode.INTERNAL),
        ("odd_bytes", grpc.StatusCode.INTERNAL),
        ("bad_words", grpc.StatusCode.INTERNAL),
        ("hang", grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
async def test_a_failing_engine_ends_its_stream_and_no_other(failure: str, status: grpc.StatusCode) -> None:
    async with running(fake_failure=failure, fake_failure_after=1, render_timeout_ms=300) as server:
        client = server.client()
        await client.open()
        assert (await client.say("The first goes well.")).is_last
        await client.text("The second does not.", phrase=1)
        error = await client.refusal()
        assert error.code() == status
        assert "second" not in (error.details() or "")
        await server.until_idle()
        assert isinstance(server.service.engine, FakeEngine)
        server.service.engine.phrases = 0
        other = server.client()
        await other.open()
        assert (await other.say("It goes on.")).is_last


async def test_an_engine_that_forgets_to_end_a_phrase_does_not_hang_it() -> None:
    async with running(fake_failure="no_last") as server:
        client = server.client()
        await client.open()
        heard = await client.say("one two three")
        assert heard.is_last
        assert len(heard.pcm) == 600 * 32
        assert heard.frames[-1] == 0


async def test_a_dead_engine_stops_the_server() -> None:
    async with running(fake_failure="die") as server:
        client = server.client()
        await client.open()
        await client.text("This kills it.")
        assert (await client.refusal()).code() == grpc.StatusCode.INTERNAL
        async with asyncio.timeout(10):
            await server.server.wait()
        assert server.server.engine_died


async def test_a_stream_without_config_or_sign_of_life_is_ended() -> None:
    async with running(config_timeout_ms=50, idle_timeout_ms=50) as server:
        silent = server.client()
        assert (await silent.refusal()).code() == grpc.StatusCode.DEADLINE_EXCEEDED
        idle = server.client()
        await idle.open()
        assert (await idle.refusal()).code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_bare_half_close_speaks_nothing_more() -> None:
    async with running(fake_first_audio_ms=60_000, render_timeout_ms=60_000) as server:
        client = server.client()
        await client.open()
        await client.text("Nobody will hear this.")
        await client.call.done_writing()
        assert await client.rest() == []
        await server.until_idle()


async def test_cancel_reaches_an_engine_that_is_busy() -> None:
    async with running(fake_first_audio_ms=60_000, render_timeout_ms=60_000) as server:
        client = server.client()
        await client.open()
        await client.text("This will take a minute.", epoch=1)
        await until_rendering(server)
        await client.cancel(1)
        await client.flush(2)
        assert (await client.read()).turn_epoch == 2
        assert server.service.engine.running == 0


async def test_cancel_works_after_finish() -> None:
    async with running(fake_first_audio_ms=60_000, render_timeout_ms=60_000) as server:
        client = server.client()
        await client.open()
        await client.text("This will take a minute.")
        await client.finish()
        await until_rendering(server)
        await client.cancel(1)
        assert await client.rest() == []


async def test_cancel_of_an_older_epoch_leaves_the_newer_alone() -> None:
    async with running() as server:
        client = server.client()
        await client.open()
        await client.cancel(4)
        heard = await client.say("Epoch five.", epoch=5)
        await client.cancel(3)
        await client.text("Epoch four is gone.", epoch=4)
        assert heard.pcm
        assert (await client.say("Five again.", epoch=5, phrase=1)).pcm


@pytest.mark.parametrize("engine", ["espeak", "fake"])
async def test_nothing_of_a_cancelled_epoch_follows_a_newer_one(engine: str) -> None:
    """Several streams at once, so that cancels also hit phrases that wait for the engine."""

    async def interrupt_often(client: Client) -> list[int]:
        await client.open()
        for epoch in range(1, 30):
            for phrase in range(3):
                await client.text("word " * 60, epoch=epoch, phrase=phrase)
            await client.cancel(epoch)
        await client.text("The end.", epoch=30)
        await client.finish()
        return [response.turn_epoch for response in await client.rest()]

    async with running(engine=engine, fake_first_audio_ms=1) as server:
        for epochs in await asyncio.gather(*(interrupt_often(server.client()) for _ in range(6))):
            assert epochs == sorted(epochs)
            assert epochs[-1] == 30
        assert server.service.engine.running == 0


async def test_a_reader_that_stops_holds_up_itself_alone() -> None:
    async with running(engine="espeak", write_timeout_ms=300) as server:
        stuck = server.client()
        await stuck.open()
        for phrase in range(40):
            await stuck.text("A long story that nobody listens to, and that goes on and on. " * 20, phrase=phrase)
        other = server.client()
        await other.open()
        for phrase in range(5):
            assert (await other.say("But I am heard.", phrase=phrase)).is_last
        async with asyncio.timeout(20):
            while server.server.interceptor.active_streams > 1:  # noqa: ASYNC110 (no event tells)
                await asyncio.sleep(0.01)
        assert (await stuck.refusal()).code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert server.service.engine.running == 0


async def test_few_messages_for_a_phrase() -> None:
    async with running() as server:
        client = server.client()
        await client.open()
        heard = await client.say("one two three four five six seven eight nine ten")
        assert [size // 32 for size in heard.frames] == [20, 100, 400, 400, 400, 400, 280]
        later = await client.say("one two three four", phrase=1)
        assert [size // 32 for size in later.frames] == [400, 400], "only an epoch's first frames are small"
        heard = await client.say("one two", epoch=2)
        assert [size // 32 for size in heard.frames] == [20, 100, 280]


async def test_a_server_about_to_stop_lets_a_phrase_end_and_then_ends_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.tts.servicer._DRAIN_IDLE_S", 0.3)
    async with running(fake_first_audio_ms=100, drain_grace_ms=20_000) as server:
        client = server.client()
        await client.open()
        await client.text("Let me finish this.")
        stopping = asyncio.create_task(server.server.stop())
        assert (await client.read_phrase()).is_last
        error = await client.refusal()
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert "another one" in (error.details() or "")
        async with asyncio.timeout(10):
            await stopping


async def until_rendering(server: Running) -> None:
    async with asyncio.timeout(10):
        while not server.service.engine.running:  # noqa: ASYNC110 (no event tells)
            await asyncio.sleep(0.005)


async def test_the_process_serves_and_ends_on_sigterm(unused_tcp_port: int) -> None:
    environment = os.environ | {
        "PARLEY_TTS_ENGINE": "espeak",
        "PARLEY_TTS_PORT": str(unused_tcp_port),
        "PARLEY_TTS_DRAIN_GRACE_MS": "1000",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.tts", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60), grpc.aio.insecure_channel(f"127.0.0.1:{unused_tcp_port}") as channel:
            await channel.channel_ready()
            client = Client(channel)
            await client.call.wait_for_connection()
            await client.open(session_id="s-1")
            assert (await client.say("Secret words.")).pcm
            process.send_signal(signal.SIGTERM)
            _, logged = await process.communicate()
        assert process.returncode == 0
        assert b"Secret" not in logged
        assert b"draining" in logged
    finally:
        if process.returncode is None:
            process.kill()
