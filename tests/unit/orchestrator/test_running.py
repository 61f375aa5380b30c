"""A call's tools are run to their end, whatever goes wrong, and what they may have changed is not told from before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest

from services.orchestrator.agent_tools import Prefetch
from services.orchestrator.history import History, Message, ToolCall
from services.orchestrator.tools.base import Tool, ToolError, ToolRequest
from services.orchestrator.tools.running import ToolHooks, ToolRunner
from services.orchestrator.tracing import CallTrace

pytestmark = pytest.mark.unit


class Calendar:
    """A call's tools over a calendar: `free` looks into it, `book` changes it, and may fail once it has; fake."""

    def __init__(self) -> None:
        self.is_free = True
        self.booking_fails = False
        self.looked_up, self.booking = asyncio.Event(), asyncio.Event()
        self.may_answer = asyncio.Event()
        tools = {
            "free": Tool("free", "d", {"type": "object"}, 1000, self.free, read_only=True),
            "book": Tool("book", "d", {"type": "object"}, 1000, self.book),
        }
        self.tasks: list[asyncio.Task[None]] = []
        self.history = History()
        hooks = ToolHooks(lambda _: None, lambda: None, self.spawn, lambda: None)
        rules = [Prefetch.model_validate({"after": "turn", "tool": "free"})]
        self.runner = ToolRunner(tools, rules, self.history, "s1", hooks, CallTrace("s1", "desk"))

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(coroutine, name=name))
        return self.tasks[-1]

    async def free(self, request: ToolRequest) -> str:
        self.looked_up.set()
        return json.dumps(self.is_free)

    async def book(self, request: ToolRequest) -> str:
        self.booking.set()
        await self.may_answer.wait()
        self.is_free = False
        if self.booking_fails:
            raise ToolError("the connection broke")
        return "{}"

    async def call(self, name: str, arguments_json: str = "{}") -> None:
        """Run a tool to its end."""
        call = ToolCall(f"c{len(self.tasks)}", name, arguments_json)
        self.history.add(Message("assistant", "", tool_calls=[call]))
        await asyncio.wait_for(asyncio.gather(*self.runner.start(1, [call])), 5)

    @property
    def told(self) -> Any:
        """What the model is told of the newest call."""
        return json.loads(self.history.messages[-1].content)


@pytest.mark.parametrize("fails", [False, True])
async def test_what_was_looked_up_while_a_tool_may_have_changed_it_is_not_told(fails: bool) -> None:
    desk = Calendar()
    desk.booking_fails = fails
    booked = asyncio.create_task(desk.call("book"))
    await asyncio.wait_for(desk.booking.wait(), 5)
    desk.runner.ahead.turn_ended()
    await asyncio.wait_for(desk.looked_up.wait(), 5)
    desk.may_answer.set()
    await booked
    assert ("error" in desk.told) == fails
    await desk.call("free")
    assert desk.told is False


TOO_DEEP = '{"day": ' + "[" * 100_000 + "]" * 100_000 + "}"


async def test_arguments_nested_too_deeply_are_a_result_and_not_the_end_of_the_call() -> None:
    desk = Calendar()
    await desk.call("free", TOO_DEEP)
    assert desk.told == {"error": "the arguments for tool free are nested too deeply"}
    desk.runner.foresee(ToolCall("c9", "free", TOO_DEEP))
    assert not desk.looked_up.is_set()


async def test_a_fault_of_ours_is_a_result_and_not_the_end_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Calendar()

    def broken(*_: Any) -> None:
        raise KeyError("of ours")

    monkeypatch.setattr(desk.runner.ahead, "tool_returned", broken)
    await desk.call("free")
    assert desk.told == {"error": "tool free failed: KeyError"}
