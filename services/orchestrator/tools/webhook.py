"""Tools that run behind an HTTP endpoint of the agent's owner."""

from __future__ import annotations

import asyncio

import httpx

from services.orchestrator import agent as agent_file
from services.orchestrator.tools.base import MAX_RESULT_BYTES, Tool, ToolError, ToolRequest, check_result


def webhook_tool(tool: agent_file.Tool, client: httpx.AsyncClient) -> Tool:
    """Return the tool of an agent file as a Tool that POSTs `{call_id, name, arguments, session_id}`."""
    webhook = tool.webhook

    async def run(request: ToolRequest) -> str:
        body = {
            "call_id": request.call_id,
            "name": request.name,
            "arguments": dict(request.arguments),
            "session_id": request.session_id,
        }
        try:
            async with (
                asyncio.timeout(webhook.timeout_ms / 1000),  # httpx's own begins anew with every byte that comes
                client.stream(
                    "POST",
                    str(webhook.url),
                    json=body,
                    headers=dict(webhook.headers),
                    timeout=webhook.timeout_ms / 1000,
                ) as response,
            ):
                return check_result(await _read(response, tool.name), f"tool {tool.name}")
        except (httpx.TimeoutException, TimeoutError) as error:
            raise ToolError(f"tool {tool.name} did not answer within {webhook.timeout_ms} ms") from error
        except httpx.HTTPError as error:
            raise ToolError(f"tool {tool.name} cannot be reached: {type(error).__name__}") from error

    return Tool(tool.name, tool.description, tool.parameters, webhook.timeout_ms, run)


async def _read(response: httpx.Response, name: str) -> bytes:
    if response.is_error:
        raise ToolError(f"tool {name} answered with HTTP status {response.status_code}")
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_RESULT_BYTES:
            raise ToolError(f"tool {name} returned more than {MAX_RESULT_BYTES} bytes")
    return bytes(body)
