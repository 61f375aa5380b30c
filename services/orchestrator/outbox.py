"""The caller's side of a conversation: responses in order, written without anybody waiting for a slow caller."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import grpc.aio

from services.common.errors import TimedOut

WRITE_DEADLINE_S = 10.0
MAX_PENDING_BYTES = 4 << 20


class CallerGone(Exception):
    """The caller's stream is broken: nobody is there to be told."""


class Outbox:
    """Takes serialised responses at once, writes them one after the other."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._wake = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def send(self, raw: bytes) -> None:
        """Queue one response."""
        self._pending.append(raw)
        self._pending_bytes += len(raw)
        self._is_empty.clear()
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled. Raises TimedOut where the caller has stopped reading, CallerGone where it is gone."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                if self._pending_bytes > MAX_PENDING_BYTES:
                    raise TimedOut("the caller does not read its responses")
                raw = self._pending.popleft()
                self._pending_bytes -= len(raw)
                try:
                    async with asyncio.timeout(WRITE_DEADLINE_S):
                        await self._write(raw)
                except TimeoutError:
                    raise TimedOut("the caller does not read its responses") from None
                except grpc.aio.BaseError as error:
                    self._is_empty.set()
                    raise CallerGone from error
            self._is_empty.set()

    async def flushed(self) -> None:
        """Wait until all is written, or nothing can be written any more."""
        await self._is_empty.wait()
