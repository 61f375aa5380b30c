"""The batcher and the judge: what goes into one model call, and what happens when the model does not behave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import numpy as np
import pytest

from services.common.errors import EngineDead, EngineFault
from services.turn.engines.batching import WINDOW, Float32, Model, VadBatcher
from services.turn.engines.judging import Judge

pytestmark = pytest.mark.unit

DEADLINE_S = 10


class CountingModel:
    """Returns each row's first sample as probability, and adds it to the state. Waits for `gate` before each batch."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, windows: Float32, state: Float32) -> tuple[Float32, Float32]:
        self.gate.wait(DEADLINE_S)
        if self.error:
            raise self.error
        self.batches.append(len(windows))
        return windows[:, :1] + state[0, :, :1], state + windows[None, :, :1]


@asynccontextmanager
async def batching(model: Model, capacity: int = 8, timeout_s: float = DEADLINE_S) -> AsyncIterator[VadBatcher]:
    executor = ThreadPoolExecutor(1)
    batcher = VadBatcher(model, executor, capacity, timeout_s)
    task = asyncio.create_task(batcher.serve())
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield batcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        executor.shutdown(wait=False)


def windows(*values: float) -> Float32:
    return np.repeat(np.array(values, np.float32)[:, None], WINDOW, axis=1)


def take(batcher: VadBatcher) -> int:
    slot = batcher.take_slot()
    assert slot is not None
    return slot


async def test_frames_of_one_stream_run_in_order_each_on_the_state_of_the_last() -> None:
    async with batching(CountingModel()) as batcher:
        job = await batcher.run_frames(take(batcher), windows(1, 10, 100))
    assert job.probabilities == [1, 11, 111]


async def test_what_gathers_while_the_model_runs_goes_into_one_call() -> None:
    model = CountingModel()
    async with batching(model) as batcher:
        model.gate.clear()
        async with asyncio.TaskGroup() as tasks:
            jobs = [tasks.create_task(batcher.run_frames(take(batcher), windows(i))) for i in range(5)]
            await asyncio.sleep(0)
            model.gate.set()
    assert sum(model.batches) == 5
    assert len(model.batches) <= 2
    assert [job.result().probabilities for job in jobs] == [[0], [1], [2], [3], [4]]


async def test_a_slot_given_back_comes_with_a_fresh_state_even_with_a_call_under_way() -> None:
    model = CountingModel()
    async with batching(model, capacity=1) as batcher:
        slot = take(batcher)
        assert batcher.take_slot() is None
        model.gate.clear()
        first = asyncio.create_task(batcher.run_frames(slot, windows(5)))
        await asyncio.sleep(0)
        batcher.give_slot(slot)
        second_slot = take(batcher)
        second = asyncio.create_task(batcher.run_frames(second_slot, windows(1)))
        model.gate.set()
        assert (await second).probabilities == [1]
        assert (await batcher.run_frames(second_slot, windows(1))).probabilities == [2]
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_failed_call_fails_its_streams_and_the_next_call_works() -> None:
    model = CountingModel()
    async with batching(model) as batcher:
        slot = take(batcher)
        model.error = ValueError("bad")
        with pytest.raises(EngineFault):
            await batcher.run_frames(slot, windows(1))
        model.error = None
        assert (await batcher.run_frames(slot, windows(1))).probabilities == [1]


async def test_a_model_that_hangs_is_dead_for_everyone() -> None:
    model = CountingModel()
    model.gate.clear()
    async with batching(model, timeout_s=0.05) as batcher:
        with pytest.raises(EngineDead):
            await batcher.run_frames(take(batcher), windows(1))
        with pytest.raises(EngineDead):
            await batcher.run_frames(take(batcher), windows(1))
        model.gate.set()


@asynccontextmanager
async def judging(queue_size: int = 2, deadline_s: float = DEADLINE_S) -> AsyncIterator[Judge]:
    executor = ThreadPoolExecutor(1)
    judge = Judge(executor, queue_size, deadline_s)
    task = asyncio.create_task(judge.serve())
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield judge
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        executor.shutdown(wait=False)


async def busy(judge: Judge) -> tuple[threading.Event, asyncio.Task[object]]:
    """Keep the model busy until the event is set."""
    release, taken = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def model() -> float:
        loop.call_soon_threadsafe(taken.set)
        release.wait(DEADLINE_S)
        return 0.0

    task: asyncio.Task[object] = asyncio.create_task(judge.ask(model))
    await taken.wait()
    return release, task


async def test_the_newest_question_is_answered_first_and_the_oldest_is_dropped() -> None:
    order: list[int] = []

    def model(number: int) -> Callable[[], float]:
        def run() -> float:
            order.append(number)
            return number / 10

        return run

    async with judging(queue_size=2) as judge:
        release, first = await busy(judge)
        asks = [asyncio.create_task(judge.ask(model(number))) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        release.set()
        answers = await asyncio.gather(*asks)
        await first
    assert order == [3, 2]
    assert [answer and answer.probability for answer in answers] == [None, 0.2, 0.3]


async def test_a_question_that_waited_too_long_is_not_put() -> None:
    async with judging(deadline_s=0.0) as judge:
        assert await judge.ask(lambda: 1.0) is None


async def test_a_model_that_fails_fails_its_question_only() -> None:
    def fail() -> float:
        raise ValueError("bad")

    async with judging() as judge:
        with pytest.raises(ValueError, match="bad"):
            await judge.ask(fail)
        answer = await judge.ask(lambda: 0.5)
    assert answer is not None
    assert answer.probability == 0.5
