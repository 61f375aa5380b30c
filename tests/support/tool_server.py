"""A tool server for tests, written with the official SDK: python -m tests.support.tool_server [HTTP_PORT].

Without a port it speaks over its standard input and output.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

SAID = os.environ.get("TOOL_SERVER_SAYS", "nothing")
server = MCPServer("tests", log_level="CRITICAL")
_calls = {"unsteady": 0}


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def opening_hours(day: str) -> dict[str, Any]:
    """Tell when it is open."""
    return {"day": day, "from": 9, "says": SAID, "pid": os.getpid()}


@server.tool(name="notes.add")
def add_note(text: str) -> str:
    """Keep a note."""
    return f"kept: {text}"


@server.tool()
def broken() -> str:
    """Fail."""
    raise ToolError("it is on fire")


@server.tool()
def long() -> str:
    """Say too much."""
    return "x" * 100_000


@server.tool()
async def hang() -> str:
    """Never answer."""
    await asyncio.Event().wait()
    return ""


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def dies(when: str) -> str:
    """End the server, as an accident would, where the file `when` is not there yet, and make it."""
    if os.path.exists(when):
        return "survived"
    open(when, "w").close()
    os._exit(1)


@server.tool()
def odd(what: Annotated[str, Field(json_schema_extra={"$id": "http://example.com/odd"})]) -> str:
    """Take what no model can be told of."""
    return what


@server.tool()
async def learn(ctx: Context) -> str:
    """Offer another tool from now on."""

    def learned() -> str:
        """Return what was not there at first."""
        return "learned"

    server.add_tool(learned)
    await ctx.notify_tools_changed()  # to who asked to hear of it
    await ctx.session.send_tool_list_changed()  # to clients of an older protocol
    return "done"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run()
