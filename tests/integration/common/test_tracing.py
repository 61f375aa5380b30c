"""A service's spans reach a collector, in the caller's trace; a collector that is gone holds up nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2

from tests.support.collector import collecting

pytestmark = pytest.mark.integration

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
DEADLINE_S = 60


@contextlib.asynccontextmanager
async def service(port: int, **settings: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, grpc.aio.Channel]]:
    """Run speech synthesis with its fake engine as a process."""
    chosen = {"ENGINE": "fake", "PORT": str(port)} | settings
    environment = os.environ | {f"PARLEY_TTS_{name}": value for name, value in chosen.items()}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.tts", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(DEADLINE_S), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield running, channel
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def speak(channel: grpc.aio.Channel, text: str, metadata: Sequence[tuple[str, str]]) -> None:
    call = channel.stream_stream(
        "/voice.tts.v1.StreamingTts/Synthesize",
        request_serializer=tts_pb2.SynthesizeRequest.SerializeToString,
        response_deserializer=tts_pb2.SynthesizeResponse.FromString,
    )(metadata=metadata, wait_for_ready=True)
    audio_format = common_pb2.AudioFormat(sample_rate_hz=16000, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)
    await call.write(tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(format=audio_format)))
    await call.read()
    await call.write(tts_pb2.SynthesizeRequest(text=tts_pb2.SynthesizeText(turn_epoch=3, text=text)))
    await call.write(tts_pb2.SynthesizeRequest(finish=common_pb2.FinishInput()))
    while await call.read() is not grpc.aio.EOF:
        pass
    assert await call.code() is grpc.StatusCode.OK


async def test_spans_reach_the_collector_in_the_callers_trace(unused_tcp_port: int) -> None:
    async with collecting() as (collector, endpoint):
        async with service(unused_tcp_port, OTLP_ENDPOINT=endpoint) as (running, channel):
            await speak(channel, "confidential words", [("traceparent", TRACEPARENT)])
            running.send_signal(signal.SIGTERM)
            assert await running.wait() == 0
        [span] = collector.spans
        assert (span.service, span.name) == ("parley-tts", "tts.speak")
        assert (span.trace_id, span.parent_id) == (TRACE_ID, "b7ad6b7169203331")
        assert b"confidential" not in span.raw


async def test_a_collector_that_is_gone_holds_up_neither_speech_nor_the_end(unused_tcp_port_factory: Any) -> None:
    port, nobody = unused_tcp_port_factory(), unused_tcp_port_factory()
    async with service(port, OTLP_ENDPOINT=f"http://127.0.0.1:{nobody}") as (running, channel):
        await speak(channel, "all the same", [("traceparent", TRACEPARENT)])
        running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await running.wait() == 0


async def test_reflection_lists_the_service_and_describes_it(unused_tcp_port: int) -> None:
    async with service(unused_tcp_port) as (_, channel):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(wait_for_ready=True)
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = {entry.name for entry in (await call.read()).list_services_response.service}
        assert {"voice.tts.v1.StreamingTts", "grpc.health.v1.Health"} <= listed
        await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol="voice.tts.v1.StreamingTts"))
        files = (await call.read()).file_descriptor_response.file_descriptor_proto
        assert any(b"SynthesizeRequest" in file for file in files)
        await call.done_writing()
