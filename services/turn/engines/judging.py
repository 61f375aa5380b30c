"""Asks Smart Turn about one pause at a time, the newest first, and lets the rest go without."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from services.turn.engine import Completeness


@dataclass(slots=True)
class _Ask:
    model: Callable[[], float]
    answer: asyncio.Future[Completeness | None]
    asked_s: float = field(default_factory=time.perf_counter)


class Judge:
    """A bounded queue, newest first, before one model thread.

    A decision is worth something for a few hundred milliseconds only: what had to wait longer, or falls off the
    queue, is answered with None and decided on voice activity and text.
    """

    def __init__(self, executor: Executor, queue_size: int, deadline_s: float) -> None:
        self._executor = executor
        self._queue_size = queue_size
        self._deadline_s = deadline_s
        self._asks: deque[_Ask] = deque()
        self._wake = asyncio.Event()

    async def ask(self, model: Callable[[], float]) -> Completeness | None:
        """Return what `model` says, or None where it was too busy. Raises what the model raises."""
        ask = _Ask(model, asyncio.get_running_loop().create_future())
        self._asks.append(ask)
        if len(self._asks) > self._queue_size:
            self._drop(self._asks.popleft())
        self._wake.set()
        return await ask.answer

    async def serve(self) -> None:
        """Answer for ever; ends only by being cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._asks:
                await self._answer(self._asks.pop())

    async def _answer(self, ask: _Ask) -> None:
        began_s = time.perf_counter()
        if ask.answer.done() or began_s - ask.asked_s > self._deadline_s:
            self._drop(ask)
            return
        try:
            probability = await asyncio.get_running_loop().run_in_executor(self._executor, ask.model)
        except Exception as error:  # handed to the stream that asked
            if not ask.answer.done():
                ask.answer.set_exception(error)
            return
        if not ask.answer.done():
            queue_us = round((began_s - ask.asked_s) * 1e6)
            engine_us = round((time.perf_counter() - began_s) * 1e6)
            ask.answer.set_result(Completeness(probability, queue_us, engine_us))

    def _drop(self, ask: _Ask) -> None:
        if not ask.answer.done():
            ask.answer.set_result(None)
