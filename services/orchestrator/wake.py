"""A wake-up between a sender and its one writer, cheaper than asyncio.Event on the hot path."""

from __future__ import annotations

import asyncio


class Wake:
    """Set by many, awaited by one task; a set that nobody awaits is kept for the next wait.

    asyncio.Event looks up the running loop with each wait, which in Python 3.11 is a system call; this does not.
    """

    __slots__ = ("_is_set", "_loop", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._is_set = False

    def set(self) -> None:
        """Wake the waiter, or the next one."""
        self._is_set = True  # also where somebody waits: that wait may be cancelled before it returns
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def wait(self) -> None:
        """Return once `set` was called since the last wait returned."""
        if not self._is_set:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._is_set = False
