"""What keeps a guessed answer from the world until its turn is committed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Gate:
    """Keeps what is done through it, in order, until it is opened; then does it at once, and all that follows."""

    def __init__(self, *, is_open: bool = True) -> None:
        self._kept: deque[Callable[[], None]] = deque()
        self._opened = asyncio.Event()
        if is_open:
            self._opened.set()

    @property
    def is_open(self) -> bool:
        """Whether nothing is kept."""
        return self._opened.is_set()

    def do(self, action: Callable[[], None]) -> None:
        """Do it, now or once the gate is opened."""
        if self.is_open:
            action()
        else:
            self._kept.append(action)

    def open(self) -> None:
        """Do what was kept."""
        self._opened.set()
        while self._kept:
            self._kept.popleft()()

    async def passed(self) -> None:
        """Wait until it is open."""
        await self._opened.wait()
