"""What is said while tools run: when, in which words, and never over anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.orchestrator.agent import Agent
from services.orchestrator.tools.waiting import GROWTH, MAX_EVERY_MS, Fillers, Mouth, Pace
from tests.support.virtual_time import run

pytestmark = pytest.mark.unit

PACE = Pace(after_ms=400, every_ms=4000)
FILLER_MS = 1000
SCHEMA = {"type": "object"}


def agent(**fillers: list[str] | None) -> Agent:
    """Return an agent with a tool for each name, and its fillers; `agent`: its own."""
    own = fillers.pop("agent", ["a1", "a2"])
    hook = {"url": "http://127.0.0.1:1"}
    tools = [
        {"name": name, "description": "d", "parameters": SCHEMA, "webhook": hook, "fillers": texts}
        for name, texts in fillers.items()
    ]
    return Agent.model_validate({"name": "desk", "prompt": "p", "tools": tools, "fillers": own})


@dataclass
class Talk:
    """A mouth that takes a second for each filler, and notes when each was said; fake."""

    left_until_s: float = 0.0
    is_held: bool = False
    said: list[tuple[int, str]] = field(default_factory=list)
    began_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def left_ms(self) -> float:
        if self.is_held:
            return 100.0
        return max(0.0, round((self.left_until_s - asyncio.get_running_loop().time()) * 1000, 3))

    def say(self, text: str) -> None:
        now_s = asyncio.get_running_loop().time()
        assert not self.left_ms(), "over its own words"
        self.said.append((round((now_s - self.began_s) * 1000), text))
        self.left_until_s = now_s + FILLER_MS / 1000

    @property
    def mouth(self) -> Mouth:
        return Mouth(self.left_ms, self.say)


def tool(takes_ms: float) -> asyncio.Task[None]:
    return asyncio.create_task(asyncio.sleep(takes_ms / 1000))


def in_virtual_time(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    return lambda: run(test())


@in_virtual_time
async def test_a_quick_tool_is_waited_for_in_silence() -> None:
    talk = Talk()
    await Fillers(lambda: agent(book=["b"]), PACE).wait({tool(399): "book"}, talk.mouth)
    assert talk.said == []


@in_virtual_time
async def test_a_slow_tool_is_waited_for_in_other_words_at_growing_intervals() -> None:
    talk = Talk()
    await Fillers(lambda: agent(book=["b"]), PACE).wait({tool(60_000): "book"}, talk.mouth)
    silences_ms = [400.0]
    every_ms = 4000.0
    while len(silences_ms) < len(talk.said):
        silences_ms.append(every_ms)
        every_ms = min(every_ms * GROWTH, MAX_EVERY_MS)
    expected = [sum(silences_ms[: number + 1]) + FILLER_MS * number for number in range(len(talk.said))]
    assert [at_ms for at_ms, _ in talk.said] == pytest.approx(expected, abs=2)
    assert [text for _, text in talk.said] == ["b", "a1", "a2", "b", "a1", "a2"]


@in_virtual_time
async def test_silence_begins_when_all_that_was_said_is_heard() -> None:
    talk = Talk()
    talk.left_until_s = asyncio.get_running_loop().time() + 3
    await Fillers(lambda: agent(book=["b"]), PACE).wait({tool(5000): "book"}, talk.mouth)
    [(at_ms, text)] = talk.said
    assert text == "b"
    assert at_ms == pytest.approx(3400, abs=2)


@in_virtual_time
async def test_nothing_is_said_while_playback_is_held_for_the_caller() -> None:
    talk = Talk()
    talk.is_held = True
    asyncio.get_running_loop().call_later(10, lambda: setattr(talk, "is_held", False))
    await Fillers(lambda: agent(book=["b"]), PACE).wait({tool(12_000): "book"}, talk.mouth)
    [(at_ms, text)] = talk.said
    assert text == "b"
    assert at_ms == pytest.approx(10_400, abs=110)


@in_virtual_time
async def test_speech_that_begins_during_the_silence_puts_the_filler_off() -> None:
    talk = Talk()
    asyncio.get_running_loop().call_later(0.3, lambda: setattr(talk, "is_held", True))
    asyncio.get_running_loop().call_later(2.0, lambda: setattr(talk, "is_held", False))
    await Fillers(lambda: agent(book=["b"]), PACE).wait({tool(3000): "book"}, talk.mouth)
    [(at_ms, text)] = talk.said
    assert text == "b"
    assert at_ms == pytest.approx(2400, abs=110)


@in_virtual_time
async def test_each_wait_begins_with_other_words() -> None:
    fillers = Fillers(lambda: agent(book=["b1", "b2"]), PACE)
    said = []
    for _ in range(3):
        talk = Talk()
        await fillers.wait({tool(1000): "book"}, talk.mouth)
        said += [text for _, text in talk.said]
    assert said == ["b1", "b2", "b1"]


@in_virtual_time
async def test_a_tool_without_words_takes_the_agents_and_one_with_none_says_nothing() -> None:
    for name, expected in (("quiet", []), ("plain", ["a1"]), ("of a server", ["a1"])):
        talk = Talk()
        await Fillers(lambda: agent(quiet=[], plain=None), PACE).wait({tool(1500): name}, talk.mouth)
        assert [text for _, text in talk.said] == expected, name
    talk = Talk()
    await Fillers(lambda: agent(agent=[]), PACE).wait({tool(1500): "any"}, talk.mouth)
    assert talk.said == []


@in_virtual_time
async def test_of_several_tools_the_words_are_those_of_one_that_still_runs() -> None:
    talk = Talk()
    tasks = {tool(100): "quick", tool(1500): "slow"}
    await Fillers(lambda: agent(quick=["q"], slow=["s"]), PACE).wait(tasks, talk.mouth)
    assert [text for _, text in talk.said] == ["s"]
    assert all(task.done() for task in tasks)


@in_virtual_time
async def test_a_tool_that_is_waited_for_in_silence_silences_no_other() -> None:
    talk = Talk()
    tasks = {tool(1000): "quiet", tool(3000): "slow"}
    await Fillers(lambda: agent(quiet=[], slow=["s"]), PACE).wait(tasks, talk.mouth)
    [(at_ms, text)] = talk.said
    assert text == "s"
    assert at_ms == pytest.approx(1400, abs=2)


@in_virtual_time
async def test_a_wait_that_is_cancelled_leaves_its_tools_running() -> None:
    running = tool(5000)
    waiting = asyncio.create_task(Fillers(lambda: agent(book=["b"]), PACE).wait({running: "book"}, Talk().mouth))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not running.cancelled()
    await running
