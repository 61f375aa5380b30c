"""A model server of the tests' own: HTTP over asyncio, as much of the chat completions API as the engine uses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

HEAD = "HTTP/1.1 {status} Any\r\nContent-Type: {kind}\r\nConnection: close\r\n{extra}\r\n"


class Exchange:
    """One request, and what to answer it with."""

    def __init__(self, path: str, body: dict[str, Any], headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        self.path = path
        self.body = body
        self.headers = headers
        self._writer = writer
        self.closed_by_client = asyncio.Event()

    @property
    def told(self) -> str:
        """Text of the last message."""
        return str(self.body["messages"][-1]["content"])

    async def answer(self, status: int, body: str, extra: str = "") -> None:
        """Send a whole response."""
        head = HEAD.format(status=status, kind="application/json", extra=extra)
        self._writer.write((head + body).encode())
        await self._writer.drain()

    async def open_stream(self) -> None:
        """Begin an event stream."""
        self._writer.write(HEAD.format(status=200, kind="text/event-stream", extra="").encode())
        await self._writer.drain()

    async def send(self, raw: str) -> None:
        """Send a part of the stream as it is."""
        await self.send_bytes(raw.encode())

    async def send_bytes(self, raw: bytes) -> None:
        """Send bytes of the stream, which may end within a character."""
        self._writer.write(raw)
        await self._writer.drain()

    async def event(self, chunk: dict[str, Any]) -> None:
        """Send one event."""
        await self.send(f"data: {json.dumps(chunk)}\n\n")

    async def delta(self, finish_reason: str | None = None, **delta: Any) -> None:
        """Send one chunk of the reply."""
        await self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})

    async def end(self, finish_reason: str, completion_tokens: int) -> None:
        """End the reply with its usage, and [DONE]."""
        await self.delta(finish_reason)
        usage = {
            "prompt_tokens": 12,
            "completion_tokens": completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 8},
        }
        await self.event({"choices": [], "usage": usage})
        await self.send("data: [DONE]\n\n")


Behaviour = Callable[[Exchange], Awaitable[None]]


@dataclass
class ModelServer:
    """The running server: where it is, and what it was asked."""

    base_url: str
    behave: Behaviour
    exchanges: list[Exchange] = field(default_factory=list)
    models_status: int = 200


@asynccontextmanager
async def model_server(behave: Behaviour) -> AsyncIterator[ModelServer]:
    """Serve `behave` on a free port."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await _serve_one(running, reader, writer)
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    running = ModelServer(f"http://127.0.0.1:{port}/v1", behave)
    try:
        yield running
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _serve_one(server: ModelServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    request_line, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    path = request_line.split()[1]
    exchange = Exchange(path, json.loads(raw) if raw else {}, headers, writer)
    if path.endswith("/models"):
        await exchange.answer(server.models_status, '{"data": []}')
        return
    server.exchanges.append(exchange)

    async def watch() -> None:
        while await reader.read(1024):
            pass
        exchange.closed_by_client.set()

    watching = asyncio.create_task(watch())
    try:
        await server.behave(exchange)
    except ConnectionError:
        pass
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def talkative(exchange: Exchange) -> None:
    """Behave like a model: talk, call the tool when told to, or say one word and hang."""
    await exchange.open_stream()
    if "slowly" in exchange.told:
        await exchange.delta(content="one")
        await exchange.closed_by_client.wait()
        return
    if "call" in exchange.told:
        first = {"index": 0, "id": "call_7", "function": {"name": "look_up", "arguments": ""}}
        await exchange.delta(tool_calls=[first])
        for piece in ('{"da', 'y": "tues', 'day"}'):
            await exchange.delta(tool_calls=[{"index": 0, "function": {"arguments": piece}}])
        await exchange.end("tool_calls", 9)
        return
    words = ["one", "two", "three", "four", "five", "six"]
    limit = exchange.body.get("max_tokens", len(words))
    for word in words[:limit]:
        await exchange.delta(content=f"{word} ")
    await exchange.end("stop" if limit >= len(words) else "length", min(limit, len(words)))
