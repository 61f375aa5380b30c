"""Tools in whole turns: behind a webhook and at the client; slow, failing, or interrupted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from tests.support.caller import LISTENING, calling, start_of
from tests.support.stack import stack
from tests.support.tools import CALLS_TOOL, SCHEMA, Respond, agent_with, answer, asks, never, webhook

pytestmark = pytest.mark.integration

QUIET = {"filler_after_ms": 20_000}
"""Nothing is said while a tool runs, however busy this machine is."""


async def test_a_webhook_is_called_and_its_result_reaches_the_model(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    async def respond(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        seen.append(request)
        await answer(b'{"free": true}')(request, writer)

    async with (
        webhook(respond) as url,
        stack(tmp_path, agent=agent_with(url), llm=CALLS_TOOL, orchestrator=QUIET) as parts,
        calling(parts.channel) as caller,
    ):
        since = await asks(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.heard_text, summary.tool_calls, summary.outcome) == ("It is done.", 1, "")
        events = caller.all("tool_call", since)
        assert [e.status for e in events] == [pb.TOOL_CALL_STATUS_STARTED, pb.TOOL_CALL_STATUS_SUCCEEDED]
        assert json.loads(events[-1].result_json) == {"free": True}
        assert seen[0]["name"] == "lookup"
        assert seen[0]["arguments"] == {"day": "monday"}
        assert seen[0]["session_id"] == caller.all("started")[0].session_id


@pytest.mark.parametrize(
    ("respond", "timeout_ms", "says"),
    [
        (never, 300, "did not answer within 300 ms"),
        (answer(b"{}", "500 Oops"), 20_000, "HTTP status 500"),
        (answer(b"<html>no json</html>"), 20_000, "no JSON"),
        (answer(json.dumps("x" * 1_000_000).encode()), 20_000, "more than 32768 bytes"),
    ],
)
async def test_a_tool_that_fails_is_told_to_the_model_and_the_turn_is_answered(
    tmp_path: Path, respond: Respond, timeout_ms: int, says: str
) -> None:
    async with (
        webhook(respond) as url,
        stack(tmp_path, agent=agent_with(url, timeout_ms), llm=CALLS_TOOL, orchestrator=QUIET) as parts,
        calling(parts.channel) as caller,
    ):
        since = await asks(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.heard_text, summary.outcome) == ("It is done.", "")
        failed = caller.all("tool_call", since)[-1]
        assert failed.status == pb.TOOL_CALL_STATUS_FAILED
        assert says in failed.error


async def test_a_tool_nobody_listens_for(tmp_path: Path) -> None:
    async with webhook(never) as url:
        pass
    async with (
        stack(tmp_path, agent=agent_with(url), llm=CALLS_TOOL, orchestrator=QUIET) as parts,
        calling(parts.channel) as caller,
    ):
        since = await asks(caller)
        assert (await caller.kind("turn_summary", since)).heard_text == "It is done."
        assert "cannot be reached" in caller.all("tool_call", since)[-1].error


def client_tool(timeout_ms: int = 20_000) -> pb.ClientTool:
    schema = json.dumps(SCHEMA)
    return pb.ClientTool(name="lookup", description="Looks up.", parameters_json_schema=schema, timeout_ms=timeout_ms)


async def test_a_tool_at_the_client(tmp_path: Path) -> None:
    start = start_of(client_tools=[client_tool()])
    async with stack(tmp_path, llm=CALLS_TOOL, orchestrator=QUIET) as parts, calling(parts.channel, start) as caller:
        since = await asks(caller)
        call = await caller.kind("tool_call", since)
        assert (call.name, call.runs_at_client, json.loads(call.arguments_json)) == ("lookup", True, {"day": "monday"})
        result = pb.ToolResult(call_id=call.call_id, result_json='{"free": false}')
        await caller.send(pb.ConverseRequest(tool_result=result))
        assert (await caller.kind("turn_summary", since)).heard_text == "It is done."
        assert caller.all("tool_call", since)[-1].status == pb.TOOL_CALL_STATUS_SUCCEEDED


@pytest.mark.parametrize(
    ("result", "says"),
    [(None, "did not answer within 200 ms"), ({"result_json": "nope"}, "no JSON"), ({"error": "on fire"}, "on fire")],
)
async def test_a_client_that_fails_its_tool(tmp_path: Path, result: dict[str, str] | None, says: str) -> None:
    start = start_of(client_tools=[client_tool(200) if result is None else client_tool()])
    async with stack(tmp_path, llm=CALLS_TOOL, orchestrator=QUIET) as parts, calling(parts.channel, start) as caller:
        since = await asks(caller)
        call = await caller.kind("tool_call", since)
        if result is not None:
            await caller.send(pb.ConverseRequest(tool_result=pb.ToolResult(call_id=call.call_id, **result)))
        assert (await caller.kind("turn_summary", since)).heard_text == "It is done."
        assert says in caller.all("tool_call", since)[-1].error


async def test_a_tool_finishes_though_the_caller_interrupts_its_turn(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def respond(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await answer(b'{"free": true}')(request, writer)

    async with (
        webhook(respond) as url,
        stack(tmp_path, agent=agent_with(url), llm=CALLS_TOOL, orchestrator=QUIET) as parts,
        calling(parts.channel) as caller,
    ):
        since = await asks(caller)
        await caller.kind("tool_call", since)
        await caller.send(pb.ConverseRequest(interrupt=pb.InterruptAgent()))
        await caller.next(lambda r: r.state_changed.state == LISTENING, since)
        release.set()
        done = await caller.next(lambda r: r.tool_call.status == pb.TOOL_CALL_STATUS_SUCCEEDED, since)
        assert json.loads(done.tool_call.result_json) == {"free": True}


async def test_the_model_can_end_the_call(tmp_path: Path) -> None:
    ends = {"fake_tool_when": "bye", "fake_tool_name": "end_call"}
    async with stack(tmp_path, llm=ends) as parts, calling(parts.channel) as caller:
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="bye")))
        await caller.over()
        assert caller.all("turn_summary")[-1].heard_text == "Goodbye now."
        assert caller.all("ended")[-1].reason == pb.END_REASON_AGENT
        assert caller.failure is None
