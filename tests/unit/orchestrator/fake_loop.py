"""A clock and its timers that only move when a test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any, cast


class _Timer:
    def __init__(self, callback: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self._callback = callback
        self._arguments = arguments
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def fire(self) -> None:
        if not self.is_cancelled:
            self._callback(*self._arguments)


class FakeLoop:
    """What is used of an event loop by code that keeps time: `time` and `call_later`."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        """Return the time, in seconds."""
        return self.now_s

    def call_later(self, delay_s: float, callback: Callable[..., None], *arguments: Any) -> _Timer:
        """Have `callback` called once `advance` has come that far."""
        timer = _Timer(callback, arguments)
        heapq.heappush(self._timers, (self.now_s + delay_s, next(self._numbers), timer))
        return timer

    def advance(self, duration_ms: float) -> None:
        """Let time pass, calling what falls due at its time."""
        until_s = self.now_s + duration_ms / 1000
        while self._timers and self._timers[0][0] <= until_s:
            at_s, _, timer = heapq.heappop(self._timers)
            self.now_s = max(self.now_s, at_s)
            timer.fire()
        self.now_s = until_s

    @property
    def timers(self) -> int:
        """Timers that are still to fire."""
        return sum(not timer.is_cancelled for _, _, timer in self._timers)

    def as_loop(self) -> asyncio.AbstractEventLoop:
        """Return itself, for what is declared to take a whole loop."""
        return cast(asyncio.AbstractEventLoop, self)
