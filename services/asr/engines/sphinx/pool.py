"""The engine's side of the worker processes: starts them, spreads streams over them, replaces those that fail."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from services.asr.engines.sphinx.wire import HEADER, Kind, pack
from services.common.errors import EngineDead, EngineFault, InvalidInput

log = logging.getLogger(__name__)

PID_BYTES = 4
Answer = tuple[Kind, bytes]


class WorkerLink:
    """One worker as the engine sees it: sends messages, gives each stream its answers."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.streams = 0
        self.is_lost = False
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._heard_s = time.monotonic()

    async def run(self, on_lost: Callable[[WorkerLink], None]) -> None:
        """Deliver answers until the worker is gone; then fail whoever waits."""
        try:
            while True:
                length, kind, number = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                payload = await self._reader.readexactly(length)
                self._heard_s = time.monotonic()
                if kind == Kind.BEAT:
                    continue
                waiting = self._waiting.pop(number, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result((Kind(kind), payload))
        except (asyncio.IncompleteReadError, OSError):
            self.lose()
            on_lost(self)

    def kill(self) -> None:
        """End a worker whose socket is still open: it hangs, and its process id is still its own."""
        if not self.is_lost:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.lose()

    def lose(self) -> None:
        """Give the worker up: its streams fail."""
        self.is_lost = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(EngineFault("a recognition process died: open the stream anew"))
        self._waiting.clear()
        self._writer.close()

    async def send(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        """Send a message. Raises EngineFault where the worker is gone."""
        if self.is_lost:
            raise EngineFault("a recognition process died: open the stream anew")
        try:
            self._writer.write(pack(kind, number, payload))
            await self._writer.drain()
        except OSError as error:
            raise EngineFault("a recognition process died: open the stream anew") from error

    def forget(self, number: int) -> None:
        """Let the worker forget a stream. Never waits."""
        if not self.is_lost:
            self._writer.write(pack(Kind.CLOSE, number))

    async def ask(self, kind: Kind, number: int, timeout_ms: int, payload: bytes = b"") -> Answer:
        """Send a message and return its answer.

        Raises EngineFault for a fault, a lost worker, or no answer in time, InvalidInput where a stream is refused. A
        worker that gave no sign of life in all that time is replaced; one that is merely behind goes on for its others.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        asked_s = time.monotonic()
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self.send(kind, number, payload)
                kind, payload = await answer
        except TimeoutError:
            if self._heard_s <= asked_s:
                log.error("a recognition process hangs; it is replaced", extra={"pid": self.pid})
                self.kill()
            raise EngineFault(f"a recognition process did not answer within {timeout_ms} ms") from None
        finally:
            self._waiting.pop(number, None)
        if kind is Kind.FAULT:
            raise EngineFault(f"recognition failed: {payload.decode(errors='replace')}")
        if kind is Kind.REFUSED:
            raise InvalidInput(payload.decode(errors="replace"))
        return kind, payload


class Pool:
    """The workers. `start` returns once all are up."""

    def __init__(self, workers: int, start_timeout_ms: int, warm_grammars: tuple[str, ...] = ()) -> None:
        self._wanted = workers
        self._warm_grammars = warm_grammars
        self._start_timeout_ms = start_timeout_ms
        self._links: list[WorkerLink] = []
        self._numbers = itertools.count(1)
        self._nursery: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._forking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Load the models and fork the workers. Raises EngineDead where that fails or takes too long."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._control = ours
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # a process that forks must have one thread
        self._nursery = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.asr.engines.sphinx.nursery", str(theirs.fileno()), *self._warm_grammars,
            pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        theirs.close()
        try:
            async with asyncio.timeout(self._start_timeout_ms / 1000):
                if not await asyncio.get_running_loop().sock_recv(ours, 1):
                    raise EngineDead("the recognition models could not be loaded: see the log above")
                for _ in range(self._wanted):
                    await self._fork()
        except TimeoutError:
            raise EngineDead(f"the recognition models were not loaded within {self._start_timeout_ms} ms") from None

    async def _fork(self) -> None:
        if self._control is None:
            raise EngineDead("the pool is not started")
        loop = asyncio.get_running_loop()
        async with self._forking:
            ours, theirs = socket.socketpair()
            socket.send_fds(self._control, [b"W"], [theirs.fileno()])
            theirs.close()
            answer = await loop.sock_recv(self._control, PID_BYTES)
        if len(answer) < PID_BYTES:
            ours.close()
            raise EngineDead("the process that holds the recognition models is gone")
        reader, writer = await asyncio.open_connection(sock=ours)
        link = WorkerLink(int.from_bytes(answer, "little"), reader, writer)
        self._links.append(link)
        self._spawn(link.run(self._on_lost), f"sphinx-{link.pid}")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_lost(self, link: WorkerLink) -> None:
        if link in self._links:
            log.warning("a recognition process is lost; another is started", extra={"pid": link.pid})
            self._links.remove(link)
            self._spawn(self._replace(), "sphinx-replace")

    async def _replace(self) -> None:
        try:
            async with asyncio.timeout(self._start_timeout_ms / 1000):
                await self._fork()
        except (EngineDead, TimeoutError, OSError):
            log.exception("no recognition process could be started")

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are up."""
        return [link.pid for link in self._links if not link.is_lost]

    def pick(self) -> tuple[WorkerLink, int]:
        """Return the worker with the fewest streams, and a number for a new one. Raises EngineDead without workers."""
        links = [link for link in self._links if not link.is_lost]
        if not links:
            raise EngineDead("no recognition process is left")
        return min(links, key=lambda link: link.streams), next(self._numbers)

    async def close(self) -> None:
        """End all processes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._links:
            link.kill()
        self._links.clear()
        if self._control is not None:
            self._control.close()
        if self._nursery is not None:
            with contextlib.suppress(ProcessLookupError):
                self._nursery.kill()
            await self._nursery.wait()
