"""Look-ups made before the model asks: only what changes nothing, only while it is fresh, each for one call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest

from services.orchestrator.agent_tools import Prefetch
from services.orchestrator.tools.ahead import MAX_WAITING, RESULTS_LAST_S, Ahead
from services.orchestrator.tools.base import Tool, ToolError, ToolRequest

pytestmark = pytest.mark.unit


async def never_called(request: ToolRequest) -> str:
    raise AssertionError("tools are run by the runner")


def tool(name: str, *, read_only: bool = True) -> Tool:
    return Tool(name, "d", {"type": "object"}, 1000, never_called, read_only=read_only)


class Desk:
    """Look-ups over tools that answer with their arguments, and a clock that a test moves; fake."""

    def __init__(self, *rules: dict[str, Any]) -> None:
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self.now_s = 0.0
        self.fails = False
        self.tasks: list[asyncio.Task[None]] = []
        tools = {found.name: found for found in (tool("find"), tool("prices"), tool("book", read_only=False))}
        made = [Prefetch.model_validate(rule) for rule in rules]
        self.ahead = Ahead(tools, made, "s1", self.run, self.spawn, lambda: self.now_s)

    async def run(self, found: Tool, request: ToolRequest) -> str:
        self.ran.append((found.name, dict(request.arguments)))
        await asyncio.sleep(0)
        if self.fails:
            raise ToolError("it is down")
        return json.dumps({"of": found.name, **request.arguments})

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(coroutine, name=name))
        return self.tasks[-1]

    async def take(self, name: str, **arguments: Any) -> Any:
        found = await self.ahead.take(name, arguments)
        return None if found is None else json.loads(found)


async def test_what_was_looked_up_serves_one_call_whatever_the_order_of_its_arguments() -> None:
    desk = Desk()
    desk.ahead.look_up("find", {"day": "monday", "n": 2})
    desk.ahead.look_up("find", {"n": 2, "day": "monday"})
    assert await desk.take("find", n=2, day="monday") == {"of": "find", "day": "monday", "n": 2}
    assert len(desk.ran) == 1
    assert await desk.take("find", n=2, day="monday") is None


async def test_other_arguments_find_nothing() -> None:
    desk = Desk()
    desk.ahead.look_up("find", {"day": "monday"})
    assert await desk.take("find", day="tuesday") is None
    assert await desk.take("prices", day="monday") is None


async def test_a_tool_that_may_change_something_is_never_run_ahead() -> None:
    desk = Desk({"after": "start", "tool": "book"}, {"after": "start", "tool": "unknown"})
    desk.ahead.look_up("book", {})
    desk.ahead.call_began()
    await asyncio.sleep(0)
    assert (desk.ran, desk.tasks) == ([], [])


async def test_a_result_that_is_old_is_not_used() -> None:
    desk = Desk()
    desk.ahead.look_up("find", {})
    desk.now_s = RESULTS_LAST_S + 0.1
    assert await desk.take("find") is None
    desk.ahead.look_up("find", {})
    assert await desk.take("find") == {"of": "find"}


async def test_a_look_up_that_fails_is_as_if_it_had_not_been() -> None:
    desk = Desk()
    desk.fails = True
    desk.ahead.look_up("find", {})
    await asyncio.gather(*desk.tasks)
    assert await desk.take("find") is None


async def test_a_look_up_that_is_given_up_is_as_if_it_had_not_been() -> None:
    desk = Desk()
    desk.ahead.look_up("find", {})
    asking = asyncio.create_task(desk.take("find"))
    await asyncio.sleep(0)
    desk.tasks[0].cancel()
    assert await asyncio.wait_for(asking, 5) is None
    desk.ahead.look_up("find", {})
    desk.tasks[1].cancel()  # before it has begun
    assert await asyncio.wait_for(desk.take("find"), 5) is None


async def test_what_may_have_changed_is_forgotten() -> None:
    desk = Desk()
    desk.ahead.look_up("find", {})
    await asyncio.gather(*desk.tasks)
    desk.ahead.forget()
    assert await desk.take("find") is None


async def test_few_results_wait_at_a_time() -> None:
    desk = Desk()
    for number in range(MAX_WAITING + 1):
        desk.ahead.look_up("find", {"n": number})
    assert await desk.take("find", n=0) is None
    assert await desk.take("find", n=1) == {"of": "find", "n": 1}


async def test_rules_say_when() -> None:
    desk = Desk(
        {"after": "start", "tool": "find", "arguments": {"first": True}},
        {"after": "turn", "tool": "prices"},
    )
    desk.ahead.call_began()
    assert await desk.take("find", first=True) is not None
    assert await desk.take("prices") is None
    desk.ahead.turn_ended()
    assert await desk.take("prices") is not None


async def test_arguments_are_taken_from_the_call_that_was_followed() -> None:
    arguments = {"id": "$result.found.0.id", "day": "$arguments.day", "n": 1, "text": "$5"}
    desk = Desk({"after": "find", "tool": "prices", "arguments": arguments})
    desk.ahead.tool_returned("find", {"day": "monday"}, json.dumps({"found": [{"id": 7}]}))
    assert await desk.take("prices", id=7, day="monday", n=1, text="$5") is not None


@pytest.mark.parametrize("result", [{}, {"found": []}, {"found": 3}, None, [1]])
async def test_without_what_it_needs_nothing_is_looked_up(result: Any) -> None:
    desk = Desk({"after": "find", "tool": "prices", "arguments": {"id": "$result.found.0"}})
    desk.ahead.tool_returned("find", {}, json.dumps(result))
    assert desk.tasks == []
