"""The canary: probes only what is quiet, and takes for dead what makes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from services.common.errors import EngineDead, EngineFault
from services.llm.engines.vllm.canary import Canary

pytestmark = pytest.mark.unit

DEADLINE_S = 5


class Bird:
    """What is probed: sings, hangs or raises, as `does` says for each probe, the last of them for ever."""

    def __init__(self, *does: BaseException | str) -> None:
        self.does = list(does)
        self.probed = 0
        self.was_probed = asyncio.Event()

    async def probe(self) -> None:
        self.probed += 1
        self.was_probed.set()
        does = self.does.pop(0) if len(self.does) > 1 else self.does[0]
        if isinstance(does, BaseException):
            raise does
        if does == "hangs":
            await asyncio.Event().wait()

    async def reason(self, is_dead: Callable[[], bool] = lambda: False) -> str:
        async with asyncio.timeout(DEADLINE_S):
            return await Canary(self.probe, idle_ms=1, timeout_ms=20).watch(is_dead)


async def test_one_that_hangs_is_stuck() -> None:
    bird = Bird("sings", "sings", "hangs")
    assert "stuck" in await bird.reason()
    assert bird.probed == 3


async def test_one_that_fails_once_is_tried_again() -> None:
    bird = Bird(EngineFault("a"), "sings", EngineFault("b"), ValueError("c"))
    assert "failed 2 probes" in await bird.reason()
    assert bird.probed == 4


async def test_one_that_says_it_is_dead_is_believed() -> None:
    assert await Bird(EngineDead("no GPU")).reason() == "no GPU"
    bird = Bird("sings")
    assert "died" in await bird.reason(lambda: True)
    assert bird.probed == 0


async def test_while_something_is_made_nothing_is_probed_and_a_late_probe_proves_nothing() -> None:
    bird = Bird("hangs")
    canary = Canary(bird.probe, idle_ms=1, timeout_ms=20)
    watching = asyncio.create_task(canary.watch(lambda: False))
    async with asyncio.timeout(DEADLINE_S):
        while bird.probed < 2:
            bird.was_probed.clear()
            await bird.was_probed.wait()
            canary.sang()  # for somebody else: the engine is busy, not stuck
        assert not watching.done()
        assert "stuck" in await watching


async def test_a_busy_engine_is_left_alone() -> None:
    bird = Bird("hangs")
    canary = Canary(bird.probe, idle_ms=3_600_000, timeout_ms=1)
    watching = asyncio.create_task(canary.watch(lambda: False))
    await asyncio.sleep(0)
    assert bird.probed == 0
    watching.cancel()
