"""A wake-up is never lost between a sender and its writer."""

from __future__ import annotations

import asyncio

import pytest

from services.orchestrator.wake import Wake

pytestmark = pytest.mark.unit

DEADLINE_S = 5


async def test_a_set_before_the_wait_is_kept_once() -> None:
    wake = Wake(asyncio.get_running_loop())
    wake.set()
    wake.set()
    async with asyncio.timeout(DEADLINE_S):
        await wake.wait()
    waiting = asyncio.ensure_future(wake.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    wake.set()
    async with asyncio.timeout(DEADLINE_S):
        await waiting


async def test_a_wait_that_is_cancelled_can_be_waited_anew() -> None:
    wake = Wake(asyncio.get_running_loop())
    waiting = asyncio.ensure_future(wake.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    wake.set()
    async with asyncio.timeout(DEADLINE_S):
        await wake.wait()


async def test_a_set_that_crosses_a_cancel_is_kept_for_the_next_wait() -> None:
    wake = Wake(asyncio.get_running_loop())
    waiting = asyncio.ensure_future(wake.wait())
    await asyncio.sleep(0)
    wake.set()
    waiting.cancel()
    await asyncio.wait({waiting})
    if waiting.cancelled():
        async with asyncio.timeout(DEADLINE_S):
            await wake.wait()


async def test_everything_sent_is_written() -> None:
    wake = Wake(asyncio.get_running_loop())
    pending: list[int] = []
    written: list[int] = []

    async def write() -> None:
        while len(written) < 200:
            await wake.wait()
            while pending:
                written.append(pending.pop(0))
                await asyncio.sleep(0)

    writing = asyncio.ensure_future(write())
    for number in range(200):
        pending.append(number)
        wake.set()
        if number % 3:
            await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_S):
        await writing
    assert written == list(range(200))
