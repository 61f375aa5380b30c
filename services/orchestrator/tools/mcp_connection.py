"""One tool server, connected for as long as the process lives, whatever becomes of the server.

It is talked to by the official SDK. A server that is a command is a child process that ends with us, however we end
(`services/common/owned.py`), and whose own words on standard error are thrown away: they may be what was said.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TextIO

import anyio
import httpx2
import mcp_types as types
from mcp import MCPError
from mcp.client import Client, IncomingMessage, Transport
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from pydantic import ValidationError

from services.common import owned
from services.common.interceptors import first_cause
from services.orchestrator.agent_tools import McpServer
from services.orchestrator.tools.base import ToolError, ToolRequest, Unreached
from services.orchestrator.tools.mcp_tools import check_usable, result_json

log = logging.getLogger(__name__)
logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it quotes what a server sends
logging.getLogger("httpx2").setLevel(logging.WARNING)

CONNECT_S = 10.0
LIST_S = 10.0
CLOSE_S = 8.0
"""Longer than the SDK gives a child process to end: 2 s by itself, 2 s after SIGTERM, 2 s after SIGKILL."""
UP_AGAIN_S = 2.0
"""How long a call waits for a server that is being connected again; nothing has been sent to it by then."""
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.5, 30.0
LISTEN_AGAIN_S = 5.0
"""How soon a server that ended a subscription to its changes is asked for them again."""
STEADY_S = 2.0
"""A connection that lasted this long is made again at once when it is lost; any other after a pause."""
MAX_PAGES = 20
_BROKEN = (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError, httpx2.HTTPError)


class McpConnection:
    """One server: what it offers, and calls of it."""

    def __init__(self, server: McpServer) -> None:
        self._server = server
        self._client: Client | None = None
        self._is_up = asyncio.Event()
        self._is_lost = asyncio.Event()
        self._is_stale = asyncio.Event()
        self._has_ended = False
        """Whether a command's standard output came to its end."""
        self._is_closing = False
        self._running: asyncio.Task[None] | None = None
        self._backoff_s = FIRST_BACKOFF_S
        self._up_s: float | None = None
        """Since when it is connected."""
        self.tools: Sequence[types.Tool] = ()
        """What the server offers and a model can be offered, as it last said: kept while it is down, so that a call of
        them says so."""
        self.tried = asyncio.Event()
        """Set once the first attempt to connect has come to its end."""

    def start(self) -> None:
        """Connect, and stay connected."""
        self._running = asyncio.create_task(self._stay_connected(), name=f"mcp-{self._server.name}")

    async def close(self) -> None:
        """Leave the server; a command is waited for until it has ended."""
        self._is_closing = True
        self._is_lost.set()
        if self._running is not None:
            await asyncio.wait([self._running], timeout=CLOSE_S)
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    # --- the connection -----------------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        while not self._is_closing:
            self._is_lost.clear()
            self._has_ended = False
            try:
                await self._hold()
                reason = "it ended the connection"
            except Exception as error:  # of whatever library: a server that is down must cost nothing but its tools
                reason = self._why(error)
            finally:
                self._client = None
                self._is_up.clear()
                self.tried.set()
            if self._is_closing:
                return
            log.warning("tool server lost", extra={"server": self._server.name, "reason": reason})
            await self._pause()

    def _why(self, error: Exception) -> str:
        if self._has_ended and self._up_s is None:
            return "its command ended before it was connected: run it by hand to see what it says"
        return type(first_cause(error)).__name__

    async def _pause(self) -> None:
        """Wait before the next attempt: not at all after a connection that was steady, ever longer while none is."""
        if self._up_s is not None and time.monotonic() - self._up_s >= STEADY_S:
            self._backoff_s = 0.0
        self._up_s = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._backoff_s):
                await self._until_closing()
        self._backoff_s = min(max(self._backoff_s * 2, FIRST_BACKOFF_S), MAX_BACKOFF_S)

    async def _until_closing(self) -> None:
        while not self._is_closing:
            self._is_lost.clear()
            await self._is_lost.wait()

    async def _hold(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_S):
                transport = await self._transport(stack)
                self._client = await stack.enter_async_context(Client(transport, message_handler=self._on_message))
            await self._list()
            log.info("tool server connected", extra={"server": self._server.name, "tools": len(self.tools)})
            self._up_s = time.monotonic()
            self._is_up.set()
            self.tried.set()
            await self._until_lost(self._client)

    async def _transport(self, stack: contextlib.AsyncExitStack) -> Transport:
        server = self._server
        if server.url is not None:
            timeout = httpx2.Timeout(CONNECT_S, read=None)  # calls keep their own; a stream of events may be quiet
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=dict(server.headers), timeout=timeout))
            return streamable_http_client(str(server.url), http_client=http)
        if shutil.which(server.command) is None:
            raise FileNotFoundError(server.command)
        command = [owned.__file__, str(os.getpid()), "--", server.command, *server.args]
        started = StdioServerParameters(command=sys.executable, args=command, env=dict(server.env))
        return self._watched(stdio_client(started, errlog=stack.enter_context(_nowhere())))

    @asynccontextmanager
    async def _watched(self, transport: Transport) -> AsyncIterator[Any]:
        """Notice that a server's standard output ended, even while nobody calls it."""
        async with transport as (read, write), anyio.create_task_group() as tasks:
            passed_on, taken = anyio.create_memory_object_stream[Any](0)

            async def pass_on() -> None:
                async with passed_on:
                    with contextlib.suppress(anyio.BrokenResourceError):
                        async for message in read:
                            await passed_on.send(message)
                self._has_ended = True
                self._is_lost.set()

            tasks.start_soon(pass_on)
            yield taken, write
            tasks.cancel_scope.cancel()

    async def _until_lost(self, client: Client) -> None:
        """Wait until the connection is lost or to be closed, and list anew what the server says has changed."""
        watching = asyncio.create_task(self._watch(client), name=f"mcp-{self._server.name}-changes")
        try:
            while not self._is_lost.is_set():
                lost = asyncio.ensure_future(self._is_lost.wait())
                stale = asyncio.ensure_future(self._is_stale.wait())
                await asyncio.wait([lost, stale], return_when=asyncio.FIRST_COMPLETED)
                lost.cancel()
                stale.cancel()
                if self._is_stale.is_set() and not self._is_lost.is_set():
                    await self._list()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, client: Client) -> None:
        """Hear of changes from a server of a protocol that has to be asked for them, for as long as it is connected."""
        capability = client.server_capabilities.tools
        if capability is None or not capability.list_changed:
            return
        try:
            is_first = True
            while True:
                async with client.listen(tools_list_changed=True) as changes:
                    if not is_first:
                        self._is_stale.set()  # of what changed meanwhile nobody told
                    async for _ in changes:
                        self._is_stale.set()
                is_first = False
                await asyncio.sleep(LISTEN_AGAIN_S)  # the server ended it, and stays connected
        except ListenNotSupportedError:
            return  # an older protocol: `_on_message` is told unasked
        except (MCPError, SubscriptionLost, *_BROKEN):
            self._is_lost.set()
        except Exception as error:  # of whatever library: changes that nobody hears of must not be the end of it
            reason = type(first_cause(error)).__name__
            log.warning("tool server tells no changes", extra={"server": self._server.name, "reason": reason})
            self._is_lost.set()

    async def _on_message(self, message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._is_stale.set()

    async def _list(self) -> None:
        self._is_stale.clear()
        client = self._client
        if client is None:
            return
        async with asyncio.timeout(LIST_S):
            found, cursor = [], None
            for _ in range(MAX_PAGES):
                page = await client.list_tools(cursor=cursor, cache_mode="refresh")
                found += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    break
        self.tools = tuple(tool for tool in found if self._is_usable(tool))

    def _is_usable(self, tool: types.Tool) -> bool:
        try:
            check_usable(tool.input_schema)
        except (ValueError, RecursionError) as error:
            reason = str(error)[:200]
            log.warning("tool left out", extra={"server": self._server.name, "tool": tool.name, "reason": reason})
            return False
        return True

    # --- calls --------------------------------------------------------------------------------------------------------

    async def call(self, name: str, request: ToolRequest) -> str:
        """Call a tool by the server's name for it, within the caller's deadline.

        Raises Unreached where the server did not get the call or did not answer, and ToolError where the tool failed.
        """
        client = await self._up()
        told: Any = {"parley/call_id": request.call_id, "parley/session_id": request.session_id}
        try:
            result = await client.call_tool(name, dict(request.arguments), meta=told)
        except MCPError as error:
            if error.code not in (types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT):
                raise ToolError(f"tool {request.name} failed: {error.message[:500]}") from error
            self._is_lost.set()
            raise Unreached(f"the connection to tool server {self._server.name} broke") from error
        except _BROKEN as error:
            self._is_lost.set()
            raise Unreached(f"tool server {self._server.name} cannot be reached: {type(error).__name__}") from error
        except (ValidationError, RuntimeError) as error:
            raise ToolError(f"tool {request.name} returned what is no result of its protocol") from error
        return result_json(result, request.name)

    async def _up(self) -> Client:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UP_AGAIN_S):
                await self._is_up.wait()
        if self._client is None or not self._is_up.is_set():
            raise Unreached(f"tool server {self._server.name} is not connected")
        return self._client


@contextmanager
def _nowhere() -> Iterator[TextIO]:
    with open(os.devnull, "w") as nowhere:
        yield nowhere
