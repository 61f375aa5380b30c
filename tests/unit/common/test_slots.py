"""Who may run next: by urgency, then by arrival; whoever stops waiting leaves no gap."""

from __future__ import annotations

import asyncio

import pytest

from services.common.errors import Overloaded
from services.common.slots import Slots

pytestmark = pytest.mark.unit


async def waiting(slots: Slots, rank: float, name: str, order: list[str]) -> asyncio.Task[None]:
    async def take() -> None:
        await slots.take(rank)
        order.append(name)

    task = asyncio.create_task(take())
    await asyncio.sleep(0)  # it stands in the queue now
    return task


async def test_the_most_urgent_comes_first_and_then_the_one_who_came_first() -> None:
    slots, order = Slots(1, 8), list[str]()
    await slots.take(0)
    wanted = [("last", 2), ("second", 0.5), ("first 1", 0), ("first 2", 0)]
    tasks = [await waiting(slots, rank, name, order) for name, rank in wanted]
    for _ in tasks:
        slots.give_back()
        await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await asyncio.gather(*tasks)
    assert order == ["first 1", "first 2", "second", "last"]


async def test_one_too_many_is_refused_at_once() -> None:
    slots = Slots(1, 1)
    await slots.take(0)
    task = await waiting(slots, 0, "waits", [])
    with pytest.raises(Overloaded):
        await slots.take(0)
    task.cancel()


async def test_whoever_stops_waiting_is_passed_over() -> None:
    slots, order = Slots(1, 8), list[str]()
    await slots.take(0)
    gone = await waiting(slots, 0, "gone", order)
    stays = await waiting(slots, 0, "stays", order)
    gone.cancel()
    await asyncio.wait({gone})
    slots.give_back()
    async with asyncio.timeout(1):
        await stays
    assert order == ["stays"]


async def test_those_who_leave_at_the_moment_a_slot_is_given_back_are_passed_over_and_end_cancelled() -> None:
    slots, order = Slots(1, 8), list[str]()
    await slots.take(0)
    leaving = [await waiting(slots, 0, "leaving", order) for _ in range(2)]
    stays = await waiting(slots, 0, "stays", order)
    for task in leaving:
        task.cancel()
    slots.give_back()
    async with asyncio.timeout(1):
        await asyncio.wait(leaving)
        await stays
        slots.give_back()
        assert await slots.take(0) == 0
    assert all(task.cancelled() for task in leaving)
    assert order == ["stays"]
    late = await waiting(slots, 0, "late", order)
    assert not late.done()  # there is one slot still
    late.cancel()


async def test_a_slot_handed_to_someone_who_leaves_at_that_moment_goes_on_to_the_next() -> None:
    slots, order = Slots(1, 8), list[str]()
    await slots.take(0)
    leaving = await waiting(slots, 0, "leaving", order)
    stays = await waiting(slots, 0, "stays", order)
    slots.give_back()
    leaving.cancel()
    async with asyncio.timeout(1):
        await stays
    assert order == ["stays"]


async def test_the_order_holds_whoever_leaves_it() -> None:
    ranks = [0, *[2, 1, 2] * 3, 1]
    for left in range(len(ranks)):
        slots, order = Slots(1, 99), list[str]()
        await slots.take(0)
        tasks = [await waiting(slots, wanted, f"{wanted}{at:02}", order) for at, wanted in enumerate(ranks)]
        tasks.pop(left).cancel()
        await asyncio.sleep(0)
        for _ in tasks:
            slots.give_back()
        async with asyncio.timeout(1):
            await asyncio.gather(*tasks)
        assert order == sorted(order)
        assert len(order) == len(tasks)
