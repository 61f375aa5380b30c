"""TCP proxies that make a stage farther away than it is: what comes back through one is held for so long.

A turn waits for a stage's answer, so for the round trip, and does not care how it is divided: all of a hop's network
time is put on the way back, in one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

_READ_BYTES = 1 << 16
_Moment = tuple[float, bytes]


class Delays:
    """One proxy a stage, on free ports; none where the delay is 0, which asks for the stage itself."""

    def __init__(self, stages: tuple[str, ...], back_ms: float) -> None:
        self._stages = stages
        self._back_s = back_ms / 1000
        self._servers: list[asyncio.Server] = []
        self._target: Callable[[str], str] = lambda stage: ""
        self._pumps: set[asyncio.Task[None]] = set()
        self.ports: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        for stage in self._stages if self._back_s else ():
            server = await asyncio.start_server(self._serve(stage), "127.0.0.1", 0)
            self._servers.append(server)
            self.ports[stage] = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for server in self._servers:
            server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def environment(self) -> dict[str, str]:
        """Return what makes an orchestrator go through the proxies."""
        return {f"PARLEY_ORCHESTRATOR_{name.upper()}_TARGET": f"127.0.0.1:{port}" for name, port in self.ports.items()}

    def lead_to(self, target: Callable[[str], str]) -> None:
        """Say where the real stages are; asked for each connection."""
        self._target = target

    def target(self, stage: str) -> str:
        """Return the host:port under which a stage is as far away as it should be."""
        return f"127.0.0.1:{self.ports[stage]}" if stage in self.ports else self._target(stage)

    def _serve(self, stage: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._connect(stage, reader, writer), name=f"delay-{stage}")
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

        return accept

    async def _connect(self, stage: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._target(stage).rpartition(":")
        try:
            stage_reader, stage_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(pump(reader, stage_writer, 0.0))
                pumps.create_task(pump(stage_reader, writer, self._back_s))
        except* OSError:
            pass  # either end broke the connection: it is closed at both
        finally:
            for end in (writer, stage_writer):
                end.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Forward bytes until their end, each of them `delay_s` after it came. Raises OSError where an end breaks."""
    loop = asyncio.get_running_loop()
    held: asyncio.Queue[_Moment] = asyncio.Queue()

    async def take() -> None:
        try:
            while data := await reader.read(_READ_BYTES):
                held.put_nowait((loop.time() + delay_s, data))
        finally:
            held.put_nowait((loop.time() + delay_s, b""))

    taking = asyncio.create_task(take(), name="delay-take")
    try:
        while True:
            due_s, data = await held.get()
            if (wait_s := due_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        await taking
        if writer.can_write_eof():
            writer.write_eof()
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
