"""A stage that follows a script: a real grpc.aio server without serialisers, which can die and come back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from services.common.server import Rpc, register_rpcs
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.stages.channels import METHODS, Stages
from services.orchestrator.stages.stream import StageError, StageStream, StreamHooks

DEADLINE_S = 10
CONFIG = b"\x12\x06config"
"""Field 2, six bytes: what a first request looks like."""
READY = b"ready"


class Line:
    """The stage's end of one stream."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.received: list[bytes] = []
        self.closed = asyncio.Event()

    async def read(self) -> bytes:
        """Return the next request. Raises ConnectionError where the client has gone."""
        raw = await self._context.read()
        if raw is grpc.aio.EOF:
            raise ConnectionError("the client has gone")
        self.received.append(raw)
        return bytes(raw)

    async def write(self, raw: bytes) -> None:
        """Send one response."""
        await self._context.write(raw)

    async def fail(self, status: grpc.StatusCode, details: str = "") -> None:
        """End the stream with a status."""
        await self._context.abort(status, details)

    async def accept(self) -> None:
        """Read the config and say that the stage is ready."""
        await self.read()
        await self.write(READY)

    async def listen(self) -> None:
        """Read until the client is gone."""
        while True:
            await self.read()


Script = Callable[[Line], Awaitable[None]]


async def attentive(line: Line) -> None:
    """Accept, then take whatever comes."""
    await line.accept()
    await line.listen()


class RawStage:
    """The stage: each stream runs `script`. After `kill`, `start` brings it back on the same port."""

    def __init__(self, script: Script = attentive, stage: str = "asr") -> None:
        self.script = script
        self.lines: list[Line] = []
        self.port = 0
        self._changed = asyncio.Condition()
        self._service, self._method = METHODS[stage][1:].split("/")
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = grpc.aio.server()
        register_rpcs(self._server, self._service, {self._method: Rpc(self._serve, None, None)})
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def kill(self) -> None:
        """Break every stream off and listen no more."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    async def _serve(self, _requests: Any, context: Any) -> None:
        line = Line(context)
        self.lines.append(line)
        await self._tell()
        try:
            with contextlib.suppress(ConnectionError):
                await self.script(line)
        finally:
            line.closed.set()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def line(self, number: int) -> Line:
        """Return the stream of that number, from 0, once it was opened."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.lines) > number)
        return self.lines[number]


class Client:
    """A StageStream and all that it told."""

    def __init__(self, stages: Stages, stage: str, ready_ms: int, grace_ms: int) -> None:
        self.responses: list[bytes] = []
        self.lost: list[StageError] = []
        self.gave_up: list[StageError] = []
        self.replay: list[bytes] = []
        self.on_response: Callable[[bytes], None] = self.responses.append
        self._changed = asyncio.Event()
        hooks = StreamHooks(
            open_call=lambda: stages.call(stage),
            config=lambda: CONFIG,
            replay=lambda: self.replay,
            on_response=self._tell(lambda raw: self.on_response(raw)),
            on_lost=self._tell(self.lost.append),
            on_gave_up=self._tell(self.gave_up.append),
        )
        self.stream = StageStream(stage, hooks, ready_ms=ready_ms, grace_ms=grace_ms)

    def _tell(self, hook: Callable[[Any], None]) -> Callable[[Any], None]:
        def told(value: Any) -> None:
            self._changed.set()
            hook(value)

        return told

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something the stream told makes `condition` true."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def up(self) -> None:
        """Wait until the stream is open."""
        async with asyncio.timeout(DEADLINE_S):
            await self.stream.is_up.wait()


@asynccontextmanager
async def streaming(
    raw_stage: RawStage, *, stage: str = "asr", ready_ms: int = 2_000, grace_ms: int = 5_000, start: bool = True
) -> AsyncIterator[tuple[Client, asyncio.Task[None]]]:
    """Run a stream to `raw_stage`, which is started unless told not to; end both."""
    if start:
        await raw_stage.start()
    settings = OrchestratorSettings.model_validate({f"{stage}_target": f"127.0.0.1:{raw_stage.port or 1}"})
    stages = Stages(settings)
    stages.open()
    client = Client(stages, stage, ready_ms, grace_ms)
    task = asyncio.create_task(client.stream.run(), name="stream")
    try:
        yield client, task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=DEADLINE_S)
        await stages.close()
        await raw_stage.kill()
