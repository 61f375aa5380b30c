"""The tool servers of all agents: each is connected once in a process, and shared by its calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from services.common.errors import InvalidInput
from services.common.registry import how_to_install
from services.orchestrator.agent import Agent
from services.orchestrator.agent_tools import McpServer
from services.orchestrator.tools.base import Tool, ToolError, ToolRequest
from services.orchestrator.tools.retrying import attempted

if TYPE_CHECKING:
    from mcp_types import Tool as Listed

    from services.orchestrator.tools.mcp_connection import McpConnection

START_S = 5.0
"""How long the start waits for the servers: later ones are found by later calls."""
ATTEMPTS = 3
"""For a tool that says that it changes nothing, or that twice is the same as once."""


class McpServers:
    """Connections to the tool servers that agents name. Without any, the SDK is not even imported."""

    def __init__(self, agents: Iterable[Agent]) -> None:
        """Take the servers that `agents` name. Raises InvalidInput where there are any and the SDK is not installed."""
        self._connections: dict[str, McpConnection] = {}
        for server in (server for agent in agents for server in agent.mcp):
            if _key(server) not in self._connections:
                self._connections[_key(server)] = _connection(server)

    async def start(self) -> None:
        """Connect to all of them, and give them a moment to be there for the first call."""
        for connection in self._connections.values():
            connection.start()
        if self._connections:
            waits = [asyncio.create_task(connection.tried.wait()) for connection in self._connections.values()]
            _, late = await asyncio.wait(waits, timeout=START_S)
            for wait in late:
                wait.cancel()

    async def close(self) -> None:
        """Leave all of them."""
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))

    def tools_of(self, agent: Agent) -> list[Tool]:
        """Return what an agent's servers offer it, as far as they have ever said."""
        found: list[Tool] = []
        for server in agent.mcp:
            connection = self._connections[_key(server)]
            wanted = (listed for listed in connection.tools if not server.tools or listed.name in server.tools)
            found += [_tool(server, connection, listed) for listed in wanted]
        return found


def _key(server: McpServer) -> str:
    return json.dumps(server.model_dump(mode="json", include={"command", "args", "env", "url", "headers"}))


def _connection(server: McpServer) -> McpConnection:
    try:
        from services.orchestrator.tools.mcp_connection import McpConnection
    except ModuleNotFoundError as error:
        missing = f"a package that is not installed: {how_to_install('mcp')}"
        raise InvalidInput(f"tool server {server.name!r} needs {missing}") from error
    return McpConnection(server)


def _tool(server: McpServer, connection: McpConnection, listed: Listed) -> Tool:
    """Return a server's tool as ours."""
    from services.orchestrator.tools.mcp_tools import MAX_DESCRIPTION_CHARS, offered_name

    hints = listed.annotations
    read_only = hints is not None and bool(hints.read_only_hint)
    may_repeat = read_only or (hints is not None and bool(hints.idempotent_hint))

    async def run(request: ToolRequest) -> str:
        try:
            async with asyncio.timeout(server.timeout_ms / 1000):
                return await attempted(lambda: connection.call(listed.name, request), ATTEMPTS if may_repeat else 1)
        except TimeoutError as error:
            raise ToolError(f"tool {request.name} did not answer within {server.timeout_ms} ms") from error

    return Tool(
        offered_name(server.prefix, listed.name),
        (listed.description or listed.title or listed.name)[:MAX_DESCRIPTION_CHARS],
        listed.input_schema,
        server.timeout_ms,
        run,
        read_only=read_only,
        kind="mcp",
    )
