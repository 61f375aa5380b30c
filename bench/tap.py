"""A tap between orchestrator and stages: forwards bytes and notes what passed, on the one clock of this machine.

It stands in a stage's place; what it forwards is unchanged. A hop more costs well under a millisecond, which makes
every latency measured through it larger, never smaller.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from voice.llm.v1 import llm_pb2
from voice.tts.v1 import tts_pb2
from voice.turn.v1 import turn_pb2

from parley.rpc import open_channel


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that passed a tap."""

    at_s: float
    """time.monotonic(), at the tap."""
    stage: str
    what: str
    """Kind of the message, or "opened" and "closed" of a stream."""
    epoch: int
    call: int
    """Number of the stream, from 1."""


class Tap:
    """Taps the stages; `log` is what passed, in order."""

    def __init__(self, stages: tuple[str, ...]) -> None:
        self._stages = stages
        self._servers: list[grpc.aio.Server] = []
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._target: Callable[[str], str] = lambda stage: ""
        self._calls = 0
        self.log: list[Passed] = []
        self.ports: dict[str, int] = {}
        self.open: dict[str, int] = dict.fromkeys(stages, 0)
        """Streams open now."""

    async def __aenter__(self) -> Self:
        for stage in self._stages:
            server = grpc.aio.server()
            server.add_generic_rpc_handlers((_Forwarder(self, stage),))
            self.ports[stage] = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            self._servers.append(server)
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for server in self._servers:
            await server.stop(0)
        for channel in self._channels.values():
            await channel.close()

    def environment(self) -> dict[str, str]:
        """Return what makes an orchestrator go through the tap."""
        return {f"PARLEY_ORCHESTRATOR_{name.upper()}_TARGET": f"127.0.0.1:{port}" for name, port in self.ports.items()}

    def lead_to(self, target: Callable[[str], str]) -> None:
        """Say where the real stages are; asked once each, when something is to be forwarded."""
        self._target = target

    async def forward(self, stage: str, method: str, requests: AsyncIterator[bytes], context: Any) -> None:
        """Forward one RPC, both ways, until either side ends it."""
        if stage not in self._channels:
            self._channels[stage] = open_channel(self._target(stage))
        self._calls += 1
        number = self._calls
        upstream: Any = self._channels[stage].stream_stream(method)()
        is_ours = method.startswith("/voice.")
        if is_ours:
            self.open[stage] += 1
            self._note(stage, "opened", 0, number)
        sending = asyncio.create_task(self._send(stage, number, requests, upstream), name="tap-requests")
        try:
            while (raw := await upstream.read()) is not grpc.aio.EOF:
                if is_ours:
                    self._note_response(stage, raw, number)
                await context.write(raw)
            if (code := await upstream.code()) is not grpc.StatusCode.OK:
                await context.abort(code, await upstream.details(), await upstream.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "")
        finally:
            upstream.cancel()
            sending.cancel()
            if is_ours:
                self.open[stage] -= 1
                self._note(stage, "closed", 0, number)

    async def _send(self, stage: str, number: int, requests: AsyncIterator[bytes], upstream: Any) -> None:
        try:
            async for raw in requests:
                if stage == "tts":
                    request = tts_pb2.SynthesizeRequest.FromString(raw)
                    if request.WhichOneof("request") in ("text", "cancel"):
                        kind = str(request.WhichOneof("request"))
                        self._note(stage, kind, getattr(request, kind).turn_epoch, number)
                elif stage == "llm" and llm_pb2.GenerateRequest.FromString(raw).HasField("config"):
                    epoch = llm_pb2.GenerateRequest.FromString(raw).config.turn_epoch
                    self._note(stage, "config", epoch, number)
                await upstream.write(raw)
            await upstream.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the reader knows how the stream ended

    def _note_response(self, stage: str, raw: bytes, number: int) -> None:
        message: Any = {
            "turn": turn_pb2.DetectResponse,
            "llm": llm_pb2.GenerateResponse,
            "tts": tts_pb2.SynthesizeResponse,
        }[stage]
        response = message.FromString(raw)
        self._note(stage, str(response.WhichOneof("event")), response.turn_epoch, number)

    def _note(self, stage: str, what: str, epoch: int, call: int) -> None:
        self.log.append(Passed(time.monotonic(), stage, what, epoch, call))


class _Forwarder(grpc.GenericRpcHandler):
    """Takes every method, unary ones too: on the wire they are streams of one message."""

    def __init__(self, tap: Tap, stage: str) -> None:
        self._tap = tap
        self._stage = stage

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method

        async def behave(requests: AsyncIterator[bytes], context: Any) -> None:
            await self._tap.forward(self._stage, method, requests, context)

        handler: Any = grpc.stream_stream_rpc_method_handler(behave)
        return handler
