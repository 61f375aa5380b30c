"""Tools for tests: a webhook that does as a test says, an agent that has it, and a fake model that calls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from tests.support.caller import LISTENING, Caller, calling
from tests.support.stack import AGENT

Respond = Callable[[dict[str, Any], asyncio.StreamWriter], Awaitable[None]]
SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}


@asynccontextmanager
async def webhook(respond: Respond) -> AsyncIterator[str]:
    """Serve a webhook on a free port; yield its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
        await respond(json.loads(await reader.readexactly(length)), writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/tool"


def answer(body: bytes, status: str = "200 OK") -> Respond:
    """Return a webhook that answers this."""

    async def respond(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()

    return respond


async def never(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Do not answer."""
    await asyncio.Event().wait()


def agent_with(url: str, timeout_ms: int = 20_000, **fields: Any) -> str:
    """Return an agent file with a webhook tool named lookup; `fields`: more of the tool."""
    tool = {"name": "lookup", "description": "Looks up.", "parameters": SCHEMA,
            "webhook": {"url": url, "timeout_ms": timeout_ms}} | fields  # fmt: skip
    return AGENT + f"tools: [{json.dumps(tool)}]\n"


FILLER = "Let me look."
CALLS_TOOL = {
    "fake_tool_when": "look",
    "fake_tool_name": "lookup",
    "fake_tool_arguments": '{"day": "monday"}',
    "fake_reply": "It is done.",
}


async def asks(caller: Caller) -> int:
    """Type what makes the model call its tool."""
    since = caller.mark()
    await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="please look")))
    return since


async def waits_for_a_look_up(channel: grpc.aio.Channel, release: asyncio.Event) -> None:
    """Hold a call with an agent of `agent_that_looks_up`: the tool is run ahead, and is slow when it is asked for."""
    release.clear()
    async with calling(channel) as caller:
        since = await asks(caller)
        await caller.next(lambda r: r.transcript.text == FILLER, since)
        release.set()
        await caller.kind("turn_summary", since)
        await caller.state(LISTENING, since)
        await caller.send(pb.ConverseRequest(end=pb.EndConversation()))
        await caller.over()


def agent_that_looks_up(url: str) -> str:
    """Return an agent file with a webhook tool named lookup, run ahead as `CALLS_TOOL` calls it, and two models."""
    rule = {"after": "start", "tool": "lookup", "arguments": {"day": "monday"}}
    llm = {"fast_model": "small", "route": {"examples": ["tell me more"]}}
    agent = agent_with(url, read_only=True, fillers=[FILLER])
    return agent + f"prefetch: [{json.dumps(rule)}]\nllm: {json.dumps(llm)}\n"


def answer_once(released: asyncio.Event) -> Respond:
    """Return a webhook that answers once it is released."""

    async def respond(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await released.wait()
        await answer(b'{"free": true}')(request, writer)

    return respond
