"""Limits on what one stream may send, and on how long it may take to begin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from services.common.errors import Overloaded, TimedOut

T = TypeVar("T")


class AudioPace:
    """Refuses a stream whose audio runs too far ahead of real time (a file sent without pacing would fill memory).

    `burst_ms` of audio may arrive early: network jitter, a buffer kept while connecting.
    """

    def __init__(self, burst_ms: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst_ms = burst_ms
        self._clock = clock
        self._ahead_ms = 0.0
        self._last_s = clock()

    def admit(self, audio_ms: float) -> None:
        """Count `audio_ms` that arrived now. Raises Overloaded once more than the burst is ahead of real time."""
        now_s = self._clock()
        self._ahead_ms = max(0.0, self._ahead_ms - (now_s - self._last_s) * 1000) + audio_ms
        self._last_s = now_s
        if self._ahead_ms > self._burst_ms:
            raise Overloaded(
                f"audio is {self._ahead_ms / 1000:.1f} s ahead of real time: send it at the pace it was spoken",
                retry_after_ms=round(self._ahead_ms - self._burst_ms),
            )


async def first_request(requests: AsyncIterator[T], timeout_ms: int, carrying: str = "config") -> T | None:
    """Return the request that opens a stream; None where the client left without one.

    Raises TimedOut, which names the field that was waited for: `carrying`.
    """
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            return await anext(requests, None)
    except TimeoutError:
        raise TimedOut(f"no {carrying} within {timeout_ms} ms: send it as the first request") from None
