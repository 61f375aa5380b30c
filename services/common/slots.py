"""Who may run next: a fixed number at once, the rest in order of urgency, and not too many waiting."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time

from services.common.errors import Overloaded


class Slots:
    """Slots that are taken in order of urgency, then of arrival. Belongs to one event loop."""

    def __init__(self, slots: int, max_waiting: float = math.inf) -> None:
        self._free = slots
        self._max_waiting = max_waiting
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()

    async def take(self, rank: float) -> int:
        """Wait for a slot and return how long that took, in us; whoever has one gives it back with `give_back`.

        `rank`: less is sooner; a priority, or a time by which it is needed. Raises Overloaded where too many wait.
        """
        if self._free:
            self._free -= 1
            return 0
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded(f"{self._max_waiting} requests wait already")
        entry = (rank, next(self._arrivals), asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiting, entry)
        queued_s = time.perf_counter()
        try:
            await entry[2]
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)
            elif not entry[2].cancelled():
                self.give_back()  # it was handed over at the same moment
            raise
        return round((time.perf_counter() - queued_s) * 1e6)

    def give_back(self) -> None:
        """Hand the slot to the next that waits."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():  # cancelled, and its task has not run since
                turn.set_result(None)
                return
        self._free += 1
