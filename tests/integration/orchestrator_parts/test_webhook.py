"""Tools behind a real HTTP server that answers, fails, hangs, or talks rubbish."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from services.orchestrator import agent_tools
from services.orchestrator.tools.base import MAX_RESULT_BYTES, ToolError, ToolRequest
from services.orchestrator.tools.webhook import webhook_tool

pytestmark = pytest.mark.integration

SHORT = {"timeout_ms": 300}
DEADLINE_S = 10
REQUEST = ToolRequest("call-1", "book", {"day": "Dienstag", "n": 2}, "session-1")
MEGABYTE = b'"' + b"a" * (1 << 20) + b'"'

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answering(body: bytes, status: str = "200 OK", headers: str = "") -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n{headers}\r\n"
        writer.write(head.encode() + body)

    return answer


def raw(data: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


async def hanging(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def dripping(writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then, each well within any timeout between two of them."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def dripping_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Slow: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


@dataclass
class Owner:
    """The HTTP server of an agent's owner."""

    answer: Answer
    port: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(headers["content-length"]))
            self.requests.append((head[0], headers, body))
            await self.answer(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()


@asynccontextmanager
async def owner(answer: Answer) -> AsyncIterator[Owner]:
    served = Owner(answer)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()


async def call(port: int, headers: dict[str, str] | None = None, **fields: Any) -> str:
    hook = fields.pop("webhook", {})
    tool = agent_tools.Tool.model_validate(
        {
            "name": "book",
            "description": "Books.",
            "parameters": {"type": "object"},
            "webhook": {
                "url": f"http://127.0.0.1:{port}/book?agent=desk",
                "timeout_ms": 20_000,
                "headers": headers or {},
                **hook,
            },
            **fields,
        }
    )
    async with asyncio.timeout(DEADLINE_S), httpx.AsyncClient(trust_env=False) as client:
        return await webhook_tool(tool, client).run(REQUEST)


async def test_the_owner_gets_the_call_and_its_answer_is_the_result() -> None:
    async with owner(answering('{"table": "größer"}'.encode())) as served:
        assert json.loads(await call(served.port, {"Authorization": "Bearer k"})) == {"table": "größer"}
    line, headers, body = served.requests[0]
    assert line == "POST /book?agent=desk HTTP/1.1"
    assert headers["authorization"] == "bearer k"
    assert json.loads(body) == {
        "call_id": "call-1",
        "name": "book",
        "arguments": {"day": "Dienstag", "n": 2},
        "session_id": "session-1",
    }


@pytest.mark.parametrize("body", [b"null", b"7", b'"yes"', b"[]", b" {} \n"])
async def test_any_json_is_an_answer(body: bytes) -> None:
    async with owner(answering(body)) as served:
        assert json.loads(await call(served.port)) == json.loads(body)


async def test_an_answer_may_be_as_long_as_a_result_may_be() -> None:
    async with owner(answering(b'"' + b"a" * (MAX_RESULT_BYTES - 2) + b'"')) as served:
        assert len(await call(served.port)) == MAX_RESULT_BYTES


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (answering(b"{}", "500 Internal Server Error"), "HTTP status 500"),
        (answering(b"{}", "404 Not Found"), "HTTP status 404"),
        (answering(b"", "302 Found", "Location: /elsewhere\r\n"), "returned no JSON"),
        (answering(b"", "204 No Content"), "returned no JSON"),
        (answering(b"<html>"), "returned no JSON"),
        (answering(b"\xff\xfe\x00"), "returned no JSON"),
        (answering(b"[" * 30_000), "returned no JSON"),
        (answering(MEGABYTE), f"more than {MAX_RESULT_BYTES} bytes"),
        (answering(b"{}", headers="Content-Encoding: gzip\r\n"), "cannot be reached: DecodingError"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "cannot be reached: RemoteProtocolError"),
        (raw(b"\x16\x03\x01 this is no HTTP at all\r\n\r\n"), "cannot be reached: RemoteProtocolError"),
        (raw(b""), "cannot be reached: RemoteProtocolError"),
        (raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * (1 << 20)), "cannot be reached: RemoteProtocolError"),
    ],
)
async def test_what_cannot_be_used_is_a_failure_of_the_tool(answer: Answer, told: str) -> None:
    async with owner(answer) as served:
        with pytest.raises(ToolError, match=told) as failure:
            await call(served.port)
    assert "tool book" in str(failure.value)


@pytest.mark.parametrize("answer", [hanging, dripping, dripping_headers])
async def test_an_answer_that_does_not_come_in_time_is_a_failure_of_the_tool(answer: Answer) -> None:
    async with owner(answer) as served:
        with pytest.raises(ToolError, match="tool book did not answer within 300 ms"):
            await call(served.port, webhook=SHORT)


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")
            await writer.drain()

    async with owner(endless) as served:
        with pytest.raises(ToolError, match=f"more than {MAX_RESULT_BYTES} bytes"):
            await call(served.port)


async def test_an_owner_that_is_not_there_is_a_failure_of_the_tool() -> None:
    async with owner(hanging) as served:
        port = served.port
    with pytest.raises(ToolError, match="tool book cannot be reached: ConnectError"):
        await call(port)


async def test_a_call_that_is_cancelled_ends_at_once() -> None:
    reached = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        reached.set()
        await hanging(writer)

    async with owner(answer) as served:
        task = asyncio.create_task(call(served.port))
        async with asyncio.timeout(DEADLINE_S):
            await reached.wait()
            task.cancel()
            await asyncio.wait({task})
        assert task.cancelled()


class Unsteady:
    """Fail in each of some ways before answering."""

    def __init__(self, *failures: Answer) -> None:
        self._answers = [*failures, answering(b'"at last"')]

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        await (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])(writer)


BUSY = answering(b"{}", "503 Service Unavailable")


@pytest.mark.parametrize("failure", [BUSY, answering(b"{}", "502 Bad Gateway"), raw(b""), raw(b"no HTTP\r\n\r\n")])
@pytest.mark.parametrize("kind", [{"idempotent": True}, {"read_only": True}])
async def test_what_may_be_repeated_is_tried_again_as_the_same_call(failure: Answer, kind: dict[str, Any]) -> None:
    async with owner(Unsteady(failure, BUSY)) as served:
        assert json.loads(await call(served.port, **kind)) == "at last"
    assert {json.loads(body)["call_id"] for _, _, body in served.requests} == {"call-1"}
    assert len(served.requests) == 3


async def test_an_attempt_that_hangs_is_given_up_for_another() -> None:
    async with owner(Unsteady(hanging)) as served:
        hook = {"attempt_timeout_ms": 200}
        assert json.loads(await call(served.port, webhook=hook, idempotent=True)) == "at last"


async def test_what_may_not_be_repeated_is_not() -> None:
    async with owner(Unsteady(BUSY)) as served:
        with pytest.raises(ToolError, match="HTTP status 503"):
            await call(served.port)
    assert len(served.requests) == 1


@pytest.mark.parametrize("failure", [answering(b"{}", "500 Oops"), answering(b"{}", "404 Not Found"), answering(b"no")])
async def test_an_answer_that_another_attempt_would_not_mend_is_final(failure: Answer) -> None:
    async with owner(Unsteady(failure)) as served:
        with pytest.raises(ToolError):
            await call(served.port, idempotent=True)
    assert len(served.requests) == 1


async def test_attempts_end_with_their_number_and_with_the_tools_time() -> None:
    async with owner(BUSY) as served:
        with pytest.raises(ToolError, match="HTTP status 503"):
            await call(served.port, idempotent=True, retries=1)
        assert len(served.requests) == 2
        with pytest.raises(ToolError, match="did not answer within 300 ms"):
            await call(served.port, webhook=SHORT, idempotent=True, retries=5)
