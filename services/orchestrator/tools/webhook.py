"""Tools that run behind an HTTP endpoint of the agent's owner."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from services.orchestrator import agent_tools
from services.orchestrator.tools.base import MAX_RESULT_BYTES, Tool, ToolError, ToolRequest, Unreached, check_result
from services.orchestrator.tools.retrying import attempted

_BUSY = (502, 503, 504)
_BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)


def webhook_tool(tool: agent_tools.Tool, client: httpx.AsyncClient) -> Tool:
    """Return the tool of an agent file as a Tool that POSTs `{call_id, name, arguments, session_id}`."""
    timeout_ms = tool.webhook.timeout_ms

    async def run(request: ToolRequest) -> str:
        body = {
            "call_id": request.call_id,
            "name": request.name,
            "arguments": dict(request.arguments),
            "session_id": request.session_id,
        }
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await attempted(lambda: _attempt(tool, client, body), tool.attempts)
        except TimeoutError as error:
            raise ToolError(f"tool {tool.name} did not answer within {timeout_ms} ms") from error

    return Tool(
        tool.name,
        tool.description,
        tool.parameters,
        timeout_ms,
        run,
        read_only=tool.read_only,
        reports_later=tool.reports_later,
    )


async def _attempt(tool: agent_tools.Tool, client: httpx.AsyncClient, body: Mapping[str, Any]) -> str:
    webhook = tool.webhook
    timeout_ms = min(webhook.attempt_timeout_ms or webhook.timeout_ms, webhook.timeout_ms)
    try:
        async with (
            asyncio.timeout(timeout_ms / 1000),  # httpx's own begins anew with every byte that comes
            client.stream(
                "POST", str(webhook.url), json=body, headers=dict(webhook.headers), timeout=timeout_ms / 1000
            ) as response,
        ):
            return check_result(await _read(response, tool.name), f"tool {tool.name}")
    except (httpx.TimeoutException, TimeoutError) as error:
        raise Unreached(f"tool {tool.name} did not answer within {timeout_ms} ms") from error
    except _BROKEN as error:
        raise Unreached(f"tool {tool.name} cannot be reached: {type(error).__name__}") from error
    except httpx.HTTPError as error:
        raise ToolError(f"tool {tool.name} cannot be reached: {type(error).__name__}") from error


async def _read(response: httpx.Response, name: str) -> bytes:
    if response.is_error:
        kind = Unreached if response.status_code in _BUSY else ToolError
        raise kind(f"tool {name} answered with HTTP status {response.status_code}")
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_RESULT_BYTES:
            raise ToolError(f"tool {name} returned more than {MAX_RESULT_BYTES} bytes")
    return bytes(body)
