"""The caller's side of a conversation: responses in order, written without anybody waiting for a slow caller."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from services.common.errors import TimedOut

WRITE_DEADLINE_S = 10.0
MAX_PENDING_BYTES = 4 << 20


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
        """Write until cancelled. Raises TimedOut where the caller has stopped reading."""
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
            self._is_empty.set()

    async def flushed(self) -> None:
        """Wait until all is written."""
        await self._is_empty.wait()
