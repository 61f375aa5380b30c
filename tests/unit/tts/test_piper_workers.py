from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from services.common.errors import EngineDead
from services.tts.engines import piper_workers
from services.tts.engines.piper_workers import FairWorkers

pytestmark = pytest.mark.unit


@pytest.fixture
async def workers() -> AsyncIterator[FairWorkers]:
    made = FairWorkers(1)
    yield made
    made.close()


def nothing() -> None:
    """Abort nothing."""


def note(order: list[str], name: str) -> Callable[[], None]:
    return lambda: order.append(name)


class Job:
    """Work that begins, and ends when told to."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.may_end.wait(10)
        return "done"

    async def until_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 10)


async def test_a_phrases_first_piece_goes_before_the_later_ones_of_others(workers: FairWorkers) -> None:
    order: list[str] = []
    blocking = Job()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(workers.run(blocking, is_first=True, abort=blocking.may_end.set))
        await blocking.until_begun()
        for name, is_first in (("later 1", False), ("later 2", False), ("first 1", True), ("first 2", True)):
            group.create_task(workers.run(note(order, name), is_first=is_first, abort=nothing))
            await asyncio.sleep(0)
        blocking.may_end.set()
    assert order == ["first 1", "first 2", "later 1", "later 2"]


async def test_later_pieces_are_not_put_off_for_ever(workers: FairWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piper_workers, "_LATER_PIECE_S", 0.0)
    order: list[str] = []
    blocking = Job()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(workers.run(blocking, is_first=True, abort=nothing))
        await blocking.until_begun()
        for name, is_first in (("later", False), ("first", True)):
            group.create_task(workers.run(note(order, name), is_first=is_first, abort=nothing))
            await asyncio.sleep(0)
        blocking.may_end.set()
    assert order == ["later", "first"]


async def test_cancelled_work_is_aborted_and_waited_for_and_what_waits_never_starts(workers: FairWorkers) -> None:
    running, waiting = Job(), Job()
    first = asyncio.create_task(workers.run(running, is_first=True, abort=running.may_end.set))
    await running.until_begun()
    second = asyncio.create_task(workers.run(waiting, is_first=True, abort=waiting.may_end.set))
    await asyncio.sleep(0)
    for task in (second, first):
        task.cancel()
    async with asyncio.timeout(10):
        ends = await asyncio.gather(first, second, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)
        assert not waiting.begun.is_set()
        assert (await workers.run(lambda: 7, is_first=True, abort=nothing))[0] == 7, "its thread is free again"


async def test_the_wait_for_a_thread_is_told(workers: FairWorkers) -> None:
    running = Job()
    first = asyncio.create_task(workers.run(running, is_first=True, abort=nothing))
    await running.until_begun()
    second = asyncio.create_task(workers.run(lambda: None, is_first=True, abort=nothing))
    await asyncio.sleep(0)
    running.may_end.set()
    async with asyncio.timeout(10):
        assert 0 <= (await first)[1] < (await second)[1]


async def test_a_call_that_never_returns_is_a_dead_engine(
    workers: FairWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piper_workers, "_ABORT_GRACE_S", 0.05)
    stuck = Job()
    task = asyncio.create_task(workers.run(stuck, is_first=True, abort=nothing))
    await stuck.until_begun()
    task.cancel()
    with pytest.raises(EngineDead):
        await task
    stuck.may_end.set()


async def test_errors_are_the_callers_own(workers: FairWorkers) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await workers.run(fail, is_first=True, abort=nothing)
    assert (await workers.run(lambda: 1, is_first=True, abort=nothing))[0] == 1
