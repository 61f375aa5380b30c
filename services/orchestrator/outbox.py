"""The caller's side of a conversation: responses in order, written without anybody waiting for a slow caller."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import grpc.aio

from services.orchestrator.wake import Wake

WRITE_DEADLINE_S = 10.0
MAX_PENDING_BYTES = 4 << 20


class CallerGone(Exception):
    """The caller's stream is broken: nobody is there to be told."""


class Outbox:
    """Takes serialised responses at once, writes them one after the other.

    `stuck` is called once the caller has stopped reading: a write hangs, or too much is waiting.
    """

    def __init__(self, write: Callable[[bytes], Awaitable[None]], stuck: Callable[[], None]) -> None:
        self._write = write
        self._stuck = stuck
        self._loop = asyncio.get_running_loop()
        self._write_began_s: float | None = None
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._wake = Wake(self._loop)
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def send(self, raw: bytes) -> None:
        """Queue one response."""
        # The deadline is looked at here: a timer a write would cost more than the write's own bookkeeping.
        began_s = self._write_began_s
        is_late = began_s is not None and self._loop.time() - began_s > WRITE_DEADLINE_S
        if is_late or self._pending_bytes > MAX_PENDING_BYTES:
            self._stuck()
            return
        self._pending.append(raw)
        self._pending_bytes += len(raw)
        self._is_empty.clear()
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled. Raises CallerGone where the caller's stream is broken."""
        while True:
            await self._wake.wait()
            while self._pending:
                raw = self._pending.popleft()
                self._pending_bytes -= len(raw)
                self._write_began_s = self._loop.time()
                try:
                    await self._write(raw)
                except grpc.aio.BaseError as error:
                    self._is_empty.set()
                    raise CallerGone from error
                self._write_began_s = None
            self._is_empty.set()

    async def flushed(self) -> None:
        """Wait until all is written, or nothing can be written any more."""
        await self._is_empty.wait()
