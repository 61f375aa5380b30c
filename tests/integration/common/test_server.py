"""The life of a real server: warm-up, errors, limits, draining, the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from voice.asr.v1 import asr_pb2

from services.common import errors
from services.common.server import Rpc, Server, register_rpcs
from services.common.settings import ServiceSettings
from tests.support.servers import serving

pytestmark = pytest.mark.integration

GRPC_NAME = "voice.test.v1.Echo"
DEADLINE_S = 10


class Echo:
    """Answers every request; raises what `failures` names for the text of its config; `hold` keeps the stream open."""

    name = "echo"
    grpc_names: Sequence[str] = (GRPC_NAME,)

    def __init__(self) -> None:
        self.warm = asyncio.Event()
        self.warm.set()
        self.starting = asyncio.Event()
        self.closed = asyncio.Event()
        self.drained = asyncio.Event()
        self.released = asyncio.Event()
        self.drain_error: Exception | None = None
        self.failures: dict[str, BaseException] = {}

    def register(self, server: grpc.aio.Server) -> None:
        parse, serialise = asr_pb2.RecognizeRequest.FromString, asr_pb2.RecognizeResponse.SerializeToString
        register_rpcs(server, GRPC_NAME, {"Talk": Rpc(self._talk, parse, serialise)})

    async def start(self) -> None:
        self.starting.set()
        await self.warm.wait()

    async def drain(self) -> None:
        self.drained.set()
        if self.drain_error:
            raise self.drain_error

    async def close(self) -> None:
        self.closed.set()

    async def _talk(self, requests: AsyncIterator[asr_pb2.RecognizeRequest], context: Any) -> None:
        try:
            async for request in requests:
                if failure := self.failures.get(request.config.language):
                    raise failure
                if request.HasField("finish"):
                    return
                await context.write(asr_pb2.RecognizeResponse(turn_epoch=7))
        finally:
            self.released.set()


def settings(**changes: Any) -> ServiceSettings:
    return ServiceSettings(**{"drain_grace_ms": 5000} | changes)


def talk(channel: grpc.aio.Channel) -> grpc.aio.StreamStreamCall[Any, Any]:
    return channel.stream_stream(
        f"/{GRPC_NAME}/Talk",
        request_serializer=lambda request: request if isinstance(request, bytes) else request.SerializeToString(),
        response_deserializer=asr_pb2.RecognizeResponse.FromString,
    )(timeout=DEADLINE_S)


def saying(language: str) -> asr_pb2.RecognizeRequest:
    return asr_pb2.RecognizeRequest(config=asr_pb2.RecognizeConfig(language=language))


FINISH = asr_pb2.RecognizeRequest()
FINISH.finish.SetInParent()


async def ended(call: grpc.aio.StreamStreamCall[Any, Any]) -> tuple[grpc.StatusCode, str]:
    with contextlib.suppress(grpc.aio.AioRpcError):
        while await call.read() is not grpc.aio.EOF:
            pass
    return await call.code(), await call.details() or ""


async def health_of(channel: grpc.aio.Channel, name: str = GRPC_NAME) -> int:
    answer = await health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE_S
    )
    return int(answer.status)


async def test_not_serving_until_warm_and_serving_after() -> None:
    echo = Echo()
    echo.warm.clear()
    server = Server(echo, settings())
    starting = asyncio.create_task(server.start())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await echo.starting.wait()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            assert await health_of(channel) == health_pb2.HealthCheckResponse.NOT_SERVING
            echo.warm.set()
            await starting
            assert await health_of(channel) == health_pb2.HealthCheckResponse.SERVING
            assert await health_of(channel, "") == health_pb2.HealthCheckResponse.SERVING
    finally:
        await server.stop()
    assert echo.closed.is_set()


@pytest.mark.parametrize(
    ("failure", "code", "told"),
    [
        (errors.InvalidInput("send pcm"), grpc.StatusCode.INVALID_ARGUMENT, "send pcm"),
        (errors.NotFound("no such voice"), grpc.StatusCode.NOT_FOUND, "no such voice"),
        (errors.TimedOut("too slow"), grpc.StatusCode.DEADLINE_EXCEEDED, "too slow"),
        (errors.EngineFault("decoder broke"), grpc.StatusCode.INTERNAL, "decoder broke"),
        (ExceptionGroup("tasks", [errors.InvalidInput("inside")]), grpc.StatusCode.INVALID_ARGUMENT, "inside"),
        (ValueError("secret detail"), grpc.StatusCode.INTERNAL, "unexpected ValueError: see the server's log"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_error_reaches_its_client_typed_and_no_other(
    failure: BaseException, code: grpc.StatusCode, told: str
) -> None:
    echo = Echo()
    echo.failures["bad"] = failure
    async with serving(echo, settings()) as (_, channel):
        good, bad = talk(channel), talk(channel)
        await good.write(saying("fine"))
        await bad.write(saying("bad"))
        assert await ended(bad) == (code, told)
        await good.write(FINISH)
        assert (await ended(good))[0] is grpc.StatusCode.OK


async def test_bytes_that_are_no_message_are_refused_as_such() -> None:
    async with serving(Echo(), settings()) as (_, channel):
        call = talk(channel)
        await call.write(b"\xff\xff\xff\xff")
        code, told = await ended(call)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "cannot be parsed" in told


async def test_an_oversized_message_is_refused_and_the_next_stream_is_served() -> None:
    async with serving(Echo(), settings(max_message_bytes=1000)) as (_, channel):
        large = talk(channel)
        await large.write(asr_pb2.RecognizeRequest(audio=[bytes(2000)]))
        assert (await ended(large))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        small = talk(channel)
        await small.write(FINISH)
        assert (await ended(small))[0] is grpc.StatusCode.OK


async def test_one_stream_too_many_is_told_when_to_come_back_and_a_free_place_is_given_again() -> None:
    async with serving(Echo(), settings(max_streams=1)) as (_, channel):
        first = talk(channel)
        await first.write(saying("fine"))
        await first.read()
        second = talk(channel)
        assert (await ended(second))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailing = dict(await second.trailing_metadata() or ())
        assert int(trailing["retry-after-ms"]) > 0
        await first.write(FINISH)
        await ended(first)
        third = talk(channel)
        await third.write(FINISH)
        assert (await ended(third))[0] is grpc.StatusCode.OK


async def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    echo = Echo()
    async with serving(echo, settings()) as (server, channel):
        call = talk(channel)
        await call.write(saying("fine"))
        await call.read()
        call.cancel()
        async with asyncio.timeout(DEADLINE_S):
            await echo.released.wait()
            await server.interceptor.wait_idle()
        assert server.interceptor.active_streams == 0


async def test_a_dead_engine_stops_the_server() -> None:
    echo = Echo()
    echo.failures["kill"] = errors.EngineDead("out of memory")
    async with serving(echo, settings()) as (server, channel):
        call = talk(channel)
        await call.write(saying("kill"))
        assert (await ended(call))[0] is grpc.StatusCode.INTERNAL
        async with asyncio.timeout(DEADLINE_S):
            await server.wait()
        assert server.engine_died


async def test_a_stream_that_is_open_may_finish_while_the_server_drains_and_a_new_one_is_refused() -> None:
    echo = Echo()
    async with serving(echo, settings(drain_grace_ms=DEADLINE_S * 1000)) as (server, channel):
        running = talk(channel)
        await running.write(saying("fine"))
        await running.read()
        stopping = asyncio.create_task(server.stop())
        async with asyncio.timeout(DEADLINE_S):
            await echo.drained.wait()
        assert await health_of(channel) == health_pb2.HealthCheckResponse.NOT_SERVING
        late = talk(channel)
        assert (await ended(late))[0] is grpc.StatusCode.UNAVAILABLE
        assert not stopping.done()
        await running.write(FINISH)
        assert (await ended(running))[0] is grpc.StatusCode.OK
        await stopping


async def test_a_health_watch_does_not_hold_up_the_end() -> None:
    async with serving(Echo(), settings(drain_grace_ms=600_000)) as (server, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=GRPC_NAME))
        await watch.read()
        async with asyncio.timeout(DEADLINE_S):
            await server.stop()


async def test_a_stream_that_outstays_the_grace_is_cut_and_releases_before_the_service_closes() -> None:
    echo = Echo()
    async with serving(echo, settings(drain_grace_ms=50)) as (server, channel):
        call = talk(channel)
        await call.write(saying("fine"))
        await call.read()
        async with asyncio.timeout(DEADLINE_S):
            await server.stop()
        assert echo.released.is_set()
        assert echo.closed.is_set()


async def test_a_drain_that_fails_still_ends_in_a_close() -> None:
    echo = Echo()
    echo.drain_error = RuntimeError("lost the session store")
    async with serving(echo, settings()) as (server, _):
        await server.stop()
        assert echo.closed.is_set()


async def test_a_port_in_use_is_said_plainly() -> None:
    async with serving(Echo(), settings()) as (server, _):
        second = Server(Echo(), settings(port=server.port))
        with pytest.raises(errors.ParleyError, match=f"cannot listen on 127.0.0.1:{server.port}"):
            await second.start()
        await second.stop()
