"""Tool servers over the Model Context Protocol: a real one, by a command and over HTTP, that works, fails and dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parley import ports
from services.common.errors import InvalidInput
from services.orchestrator.agent import Agent
from services.orchestrator.tools import mcp_connection, mcp_servers
from services.orchestrator.tools.base import MAX_RESULT_BYTES, Tool, ToolError, ToolRequest
from services.orchestrator.tools.mcp_connection import McpConnection
from services.orchestrator.tools.mcp_servers import McpServers
from tests.unit.house.tree import ROOT

pytestmark = pytest.mark.integration

DEADLINE_S = 30
MODULE = "tests.support.tool_server"
COMMAND = {
    "name": "by command",
    "command": sys.executable,
    "args": ["-m", MODULE],
    "env": {"PYTHONPATH": str(ROOT), "TOOL_SERVER_SAYS": "hello"},
}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a server's first connection however busy this machine is."""
    monkeypatch.setattr(mcp_servers, "START_S", DEADLINE_S)


def agent(**server: Any) -> Agent:
    return Agent.model_validate(
        {"name": "desk", "prompt": "p", "mcp": [{"name": "tests", "timeout_ms": 5_000} | server]}
    )


def by_command(**fields: Any) -> Agent:
    return agent(**{name: value for name, value in COMMAND.items() if name != "name"} | fields)


@asynccontextmanager
async def connected(*agents: Agent) -> AsyncIterator[McpServers]:
    servers = McpServers(agents)
    async with asyncio.timeout(DEADLINE_S):
        try:
            await servers.start()
            yield servers
        finally:
            await servers.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what another process brings about; nothing here is told when."""
    for _ in range(DEADLINE_S * 50):
        if await condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not come about")


async def is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def over_http() -> AsyncIterator[tuple[Agent, asyncio.subprocess.Process]]:
    """Serve the tools over HTTP in a process of their own; yield an agent that names them, and the process."""
    with ports.reserved(("tools",)) as reserved:
        port = reserved["tools"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, str(port), cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        await until(lambda: is_listening(port))
        yield agent(url=f"http://127.0.0.1:{port}/mcp"), process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def tools_of(servers: McpServers, who: Agent) -> dict[str, Tool]:
    return {tool.name: tool for tool in servers.tools_of(who)}


async def run(tool: Tool, **arguments: Any) -> Any:
    return json.loads(await tool.run(ToolRequest("c1", tool.name, arguments, "s1")))


@asynccontextmanager
async def either(way: str) -> AsyncIterator[Agent]:
    async with contextlib.AsyncExitStack() as stack:
        yield by_command() if way == "command" else (await stack.enter_async_context(over_http()))[0]


@pytest.mark.parametrize("way", ["command", "http"])
async def test_a_servers_tools_are_offered_and_run(way: str) -> None:
    async with either(way) as who, connected(who) as servers:
        tools = tools_of(servers, who)
        assert {"opening_hours", "notes_add", "broken", "long", "hang", "dies", "learn"} == set(tools)
        assert (tools["opening_hours"].read_only, tools["notes_add"].read_only) == (True, False)
        assert tools["opening_hours"].description == "Tell when it is open."
        assert tools["opening_hours"].parameters["required"] == ["day"]
        hours = await run(tools["opening_hours"], day="monday")
        assert (hours["day"], hours["from"]) == ("monday", 9)
        assert (hours["says"] == "hello") == (way == "command")
        kept = await run(tools["notes_add"], text="a note")
        assert kept in ({"result": "kept: a note"}, "kept: a note")


@pytest.mark.parametrize("way", ["command", "http"])
async def test_what_a_tool_does_wrong_is_told_and_costs_the_server_nothing(way: str) -> None:
    async with either(way) as who, connected(who) as servers:
        tools = tools_of(servers, who)
        with pytest.raises(ToolError, match=r"tool broken failed: .*it is on fire"):
            await run(tools["broken"])
        with pytest.raises(ToolError, match=f"more than {MAX_RESULT_BYTES} bytes"):
            await run(tools["long"])
        with pytest.raises(ToolError, match="tool opening_hours failed"):
            await run(tools["opening_hours"])
        assert (await run(tools["opening_hours"], day="friday"))["day"] == "friday"


@pytest.mark.parametrize("way", ["command", "http"])
async def test_a_tool_that_does_not_answer_is_given_up_in_its_time(way: str) -> None:
    async with either(way) as who:
        impatient = who.model_copy(update={"mcp": (who.mcp[0].model_copy(update={"timeout_ms": 300}),)})
        async with connected(who) as servers:
            with pytest.raises(ToolError, match="tool hang did not answer within 300 ms"):
                await run(tools_of(servers, impatient)["hang"])
            assert (await run(tools_of(servers, who)["opening_hours"], day="friday"))["from"] == 9


@pytest.mark.parametrize("way", ["command", "http"])
async def test_a_tool_that_comes_later_is_offered_later(way: str) -> None:
    async with either(way) as who, connected(who) as servers:
        await run(tools_of(servers, who)["learn"])

        async def is_offered() -> bool:
            return "learned" in tools_of(servers, who)

        await until(is_offered)
        assert await run(tools_of(servers, who)["learned"]) in ({"result": "learned"}, "learned")


async def test_an_agent_is_offered_what_it_names_under_its_prefix() -> None:
    who = by_command(tools=["opening_hours", "notes.add"], prefix="shop-")
    async with connected(who, by_command()) as servers:
        assert set(tools_of(servers, who)) == {"shop-opening_hours", "shop-notes_add"}
        assert (await run(tools_of(servers, who)["shop-opening_hours"], day="x"))["says"] == "hello"


async def test_agents_that_name_the_same_server_share_one_process() -> None:
    one, other = by_command(), by_command(prefix="b-")
    async with connected(one, other) as servers:
        pids = [
            (await run(tools_of(servers, who)[f"{who.mcp[0].prefix}opening_hours"], day="x"))["pid"]
            for who in (one, other)
        ]
        assert pids[0] == pids[1]
        os.kill(pids[0], 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


async def test_a_server_that_dies_in_a_call_is_started_again_and_what_may_be_repeated_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_connection, "UP_AGAIN_S", DEADLINE_S)
    who = by_command(timeout_ms=20_000)
    async with connected(who) as servers:
        first = (await run(tools_of(servers, who)["opening_hours"], day="x"))["pid"]
        assert await run(tools_of(servers, who)["dies"], when=str(tmp_path / "died")) in (
            {"result": "survived"},
            "survived",
        )
        assert (await run(tools_of(servers, who)["opening_hours"], day="x"))["pid"] != first


async def test_a_server_that_is_killed_between_calls_is_started_again() -> None:
    who = by_command()
    async with connected(who) as servers:
        tools = tools_of(servers, who)
        first = (await run(tools["opening_hours"], day="x"))["pid"]
        os.kill(first, 9)

        async def is_another() -> bool:
            with contextlib.suppress(ToolError):
                return bool((await run(tools["opening_hours"], day="x"))["pid"] != first)
            return False

        await until(is_another)


async def test_a_server_over_http_that_is_gone_says_so() -> None:
    async with over_http() as (who, process), connected(who) as servers:
        tools = tools_of(servers, who)
        process.kill()
        await process.wait()
        with pytest.raises(ToolError, match="tool server tests"):
            await run(tools["notes_add"], text="a")
        assert tools_of(servers, who), "what it offered is still offered, and says that it is down"


@pytest.mark.parametrize(
    "server",
    [
        {"command": "no-such-command-anywhere"},
        {"command": sys.executable, "args": ["-c", "raise SystemExit(1)"]},
        {"command": sys.executable, "args": ["-c", "print('rubbish', flush=True); input()"]},
        {"url": "http://127.0.0.1:9/mcp"},
    ],
)
async def test_a_server_that_is_not_there_costs_its_tools_and_nothing_else(server: dict[str, Any]) -> None:
    who = agent(**server)
    async with connected(who, by_command()) as servers:
        assert tools_of(servers, who) == {}
        assert "opening_hours" in tools_of(servers, by_command())


async def test_without_the_sdk_an_agent_that_needs_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "services.orchestrator.tools.mcp_connection", None)
    with pytest.raises(
        InvalidInput, match=r"'tests' needs a package that is not installed: pip install -e '\.\[mcp\]'"
    ):
        McpServers([by_command()])
    McpServers([Agent(name="desk", prompt="p")])


async def test_a_command_that_ends_at_once_is_said_so_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    who = by_command(args=["-c", "import no_such_module"])
    async with connected(who) as servers:
        assert tools_of(servers, who) == {}
    lost: list[Any] = [record for record in caplog.records if record.message == "tool server lost"]
    assert "its command ended" in lost[0].reason


class Listened:
    """Stands in for a client whose server ends the first subscription to its changes, or whose library fails."""

    def __init__(self, failure: Exception | None) -> None:
        self.server_capabilities = SimpleNamespace(tools=SimpleNamespace(list_changed=True))
        self.failure = failure
        self.subscriptions = 0
        self.is_listened_to = asyncio.Event()

    @asynccontextmanager
    async def listen(self, **_: Any) -> AsyncIterator[AsyncIterator[object]]:
        self.subscriptions += 1
        yield self.changes()

    async def changes(self) -> AsyncIterator[object]:
        if self.subscriptions > 1:
            self.is_listened_to.set()
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        no_change: tuple[object, ...] = ()
        for change in no_change:
            yield change


async def watched(client: Any) -> tuple[McpConnection, asyncio.Task[None]]:
    connection = McpConnection(agent(command="x").mcp[0])
    return connection, asyncio.create_task(connection._watch(client))


async def test_a_server_that_ends_a_subscription_is_asked_again_and_for_what_changed_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mcp_connection, "LISTEN_AGAIN_S", 0)
    client = Listened(None)
    connection, watching = await watched(client)
    async with asyncio.timeout(DEADLINE_S):
        await client.is_listened_to.wait()
    assert (connection._is_stale.is_set(), connection._is_lost.is_set()) == (True, False)
    watching.cancel()


async def test_changes_that_cannot_be_heard_of_cost_the_connection_and_not_every_later_change() -> None:
    connection, watching = await watched(Listened(KeyError("of a library")))
    async with asyncio.timeout(DEADLINE_S):
        await watching
    assert connection._is_lost.is_set()
