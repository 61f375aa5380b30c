"""A real redis-server of the test's own, which can be killed and started again in mid-test."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

READY_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10
PORT_ATTEMPTS = 3
"""A port that was free a moment ago may be taken by another process before redis binds it."""


class RedisServer:
    """One redis-server on a free port of 127.0.0.1, without persistence: what it held is gone after a kill."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Return its URL, which stays the same over a restart."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it, and return once it takes connections; after `kill` or `stop`, on the same port."""
        if self.port:
            await self._launch(self.port)
            return
        for attempt in range(PORT_ATTEMPTS):
            port = _free_port()
            try:
                await self._launch(port)
            except RuntimeError:
                if attempt == PORT_ATTEMPTS - 1:
                    raise
            else:
                self.port = port
                return

    async def kill(self) -> None:
        """End it as a crash would: clients see a reset, then a refused connection."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it in order. Does nothing where it does not run."""
        await self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._signal(signal.SIGCONT)

    async def _launch(self, port: int) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise FileNotFoundError("redis-server is not on the PATH: `make test` installs it, or says how to")
        options = {"port": port, "bind": "127.0.0.1", "dir": self._directory, "save": "", "appendonly": "no"}
        arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        self._process = await asyncio.create_subprocess_exec(
            binary, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._ready(self._process)
        except BaseException:
            await self.kill()
            raise

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        said: list[str] = []
        while line := await process.stdout.readline():
            said.append(line.decode(errors="replace"))
            if "eady to accept connections" in said[-1]:
                return
        raise RuntimeError(f"redis-server ended before it was ready:\n{''.join(said[-10:])}")

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "not started"
        self._process.send_signal(number)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # a frozen one would never see the signal
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def running_redis() -> AsyncIterator[RedisServer]:
    """Run a redis-server for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="parley-redis-") as directory:
        server = RedisServer(Path(directory))
        try:
            await server.start()
            yield server
        finally:
            await server.stop()


@pytest_asyncio.fixture
async def redis_server() -> AsyncIterator[RedisServer]:
    """Give a test a running redis-server; it stops after the test."""
    async with running_redis() as server:
        yield server
