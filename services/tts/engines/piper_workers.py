"""A few threads for model calls, shared by all streams: what a caller waits for in silence goes first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from services.common.errors import EngineDead
from services.common.slots import Slots

T = TypeVar("T")

_LATER_PIECE_S = 0.25
"""How much longer a later piece may wait than a phrase's first: its stream has that much audio to play. No more, so
that a rush of new phrases does not leave those in the middle of theirs without."""
_ABORT_GRACE_S = 5.0


class FairWorkers:
    """Runs jobs on at most `count` threads, by the order in which they are needed. Lives on one event loop."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, "piper")
        self._slots = Slots(count)

    async def run(self, job: Callable[[], T], *, is_first: bool, abort: Callable[[], None]) -> tuple[T, int]:
        """Return what `job` returns, and the microseconds that it waited for a thread.

        Cancelled, it returns only once the job has ended, which `abort` makes soon. A job that waits is dropped.
        Raises EngineDead where an aborted job does not come back.
        """
        queue_us = await self._slots.take(time.perf_counter() + (0 if is_first else _LATER_PIECE_S))
        future = self._threads.submit(job)
        running = asyncio.wrap_future(future)
        running.add_done_callback(lambda _: self._slots.give_back())
        try:
            return await asyncio.shield(running), queue_us
        except asyncio.CancelledError:
            abort()
            _, stuck = await asyncio.wait({running}, timeout=_ABORT_GRACE_S)
            if stuck:
                raise EngineDead("a model call does not return") from None
            if not running.cancelled():
                running.exception()  # looked at, so that asyncio does not report it: nobody waits for this job now
            raise

    def close(self) -> None:
        """Give up the threads; a job in work is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
