"""Who may run next: by priority, then by arrival; whoever stops waiting leaves no gap."""

from __future__ import annotations

import asyncio

import pytest

from services.common.errors import Overloaded
from services.llm.engine import Priority
from services.llm.engines.ctranslate.slots import Slots

pytestmark = pytest.mark.unit


async def waiting(slots: Slots, priority: Priority, name: str, order: list[str]) -> asyncio.Task[None]:
    async def take() -> None:
        await slots.take(priority)
        order.append(name)

    task = asyncio.create_task(take())
    await asyncio.sleep(0)  # it stands in the queue now
    return task


async def test_the_most_urgent_comes_first_and_then_the_one_who_came_first() -> None:
    slots, order = Slots(1, 8), list[str]()
    await slots.take(Priority.LIVE)
    wanted = [("p", Priority.PREFILL), ("s", Priority.SPECULATIVE), ("1", Priority.LIVE), ("2", Priority.LIVE)]
    tasks = [await waiting(slots, priority, name, order) for name, priority in wanted]
    for _ in tasks:
        slots.give_back()
        await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await asyncio.gather(*tasks)
    assert order == ["1", "2", "s", "p"]


async def test_one_too_many_is_refused_at_once() -> None:
    slots = Slots(1, 1)
    await slots.take(Priority.LIVE)
    task = await waiting(slots, Priority.LIVE, "waits", [])
    with pytest.raises(Overloaded):
        await slots.take(Priority.LIVE)
    task.cancel()


async def test_whoever_stops_waiting_is_passed_over() -> None:
    slots, order = Slots(1, 8), list[str]()
    await slots.take(Priority.LIVE)
    gone = await waiting(slots, Priority.LIVE, "gone", order)
    stays = await waiting(slots, Priority.LIVE, "stays", order)
    gone.cancel()
    await asyncio.wait({gone})
    slots.give_back()
    async with asyncio.timeout(1):
        await stays
    assert order == ["stays"]


async def test_those_who_leave_at_the_moment_a_slot_is_given_back_are_passed_over_and_end_cancelled() -> None:
    slots, order = Slots(1, 8), list[str]()
    await slots.take(Priority.LIVE)
    leaving = [await waiting(slots, Priority.LIVE, "leaving", order) for _ in range(2)]
    stays = await waiting(slots, Priority.LIVE, "stays", order)
    for task in leaving:
        task.cancel()
    slots.give_back()
    async with asyncio.timeout(1):
        await asyncio.wait(leaving)
        await stays
        slots.give_back()
        assert await slots.take(Priority.LIVE) == 0
    assert all(task.cancelled() for task in leaving)
    assert order == ["stays"]
    late = await waiting(slots, Priority.LIVE, "late", order)
    assert not late.done()  # there is one slot still
    late.cancel()


async def test_a_slot_handed_to_someone_who_leaves_at_that_moment_goes_on_to_the_next() -> None:
    slots, order = Slots(1, 8), list[str]()
    await slots.take(Priority.LIVE)
    leaving = await waiting(slots, Priority.LIVE, "leaving", order)
    stays = await waiting(slots, Priority.LIVE, "stays", order)
    slots.give_back()
    leaving.cancel()
    async with asyncio.timeout(1):
        await stays
    assert order == ["stays"]


async def test_the_order_holds_whoever_leaves_it() -> None:
    priorities = [Priority.LIVE, *[Priority.PREFILL, Priority.SPECULATIVE, Priority.PREFILL] * 3, Priority.SPECULATIVE]
    for left in range(len(priorities)):
        slots, order = Slots(1, 99), list[str]()
        await slots.take(Priority.LIVE)
        tasks = [await waiting(slots, wanted, f"{wanted.value}{at:02}", order) for at, wanted in enumerate(priorities)]
        tasks.pop(left).cancel()
        await asyncio.sleep(0)
        for _ in tasks:
            slots.give_back()
        async with asyncio.timeout(1):
            await asyncio.gather(*tasks)
        assert order == sorted(order)
        assert len(order) == len(tasks)
