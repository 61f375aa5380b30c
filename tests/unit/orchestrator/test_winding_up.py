"""A call that is over while a tool still runs: the tool finishes, and nothing else begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.orchestrator.agent import Agent
from services.orchestrator.agents import AgentBook
from services.orchestrator.calls import Calls
from services.orchestrator.metering import CallMeter
from services.orchestrator.sessions.store import MemoryStore
from services.orchestrator.tools.mcp_servers import McpServers
from tests.support import virtual_time
from tests.support.scripted_stages import TOOL, ScriptedStages

pytestmark = pytest.mark.unit

AUDIO = common_pb2.AudioFormat(sample_rate_hz=16000, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)
TOOL_S = 2.0
"""How long the tool takes: longer than the call, and less than its end waits for it."""


def agent(**tool: Any) -> Agent:
    """Return an agent with a tool."""
    booking = {"name": TOOL, "description": "Books.", "parameters": {"type": "object"}, **tool}
    booking["webhook"] = {"url": "http://tool.invalid/"}
    return Agent.model_validate({"name": "tester", "prompt": "A test.", "greeting": "", "tools": [booking]})


async def run_tool(request: httpx.Request) -> httpx.Response:
    """Be the tool."""
    await asyncio.sleep(TOOL_S)
    return httpx.Response(200, json={"ok": True})


async def call(stages: ScriptedStages, called: Agent, *says: dict[str, Any]) -> list[dict[str, Any]]:
    """Type a request that calls the tool, say what ends the call, and hang up; return what is kept of it."""
    requests: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def read() -> AsyncIterator[bytes]:
        while (raw := await requests.get()) is not None:
            yield raw

    async def write(raw: bytes) -> None:
        told.append(pb.ConverseResponse.FromString(raw))

    told: list[pb.ConverseResponse] = []
    store = MemoryStore(60)
    http = httpx.AsyncClient(transport=httpx.MockTransport(run_tool))
    calls = Calls(AgentBook({called.name: called}), stages, store, http, McpServers([]))  # type: ignore[arg-type]
    start = pb.StartConversation(agent=called.name, format=AUDIO)
    holding = asyncio.create_task(calls.hold(start, read(), write, CallMeter()))
    requests.put_nowait(pb.ConverseRequest(text_input=pb.TextInput(text="book it")).SerializeToString())
    await asyncio.sleep(1)
    for control in says:
        requests.put_nowait(pb.ConverseRequest(**control).SerializeToString())
    requests.put_nowait(None)
    await holding
    await http.aclose()
    assert [r.tool_call.status for r in told if r.HasField("tool_call")][-1] == pb.TOOL_CALL_STATUS_SUCCEEDED
    record = await store.load(told[0].started.session_id)
    assert record is not None
    return record.messages


ENDS = pytest.mark.parametrize("says", [(), ({"end": pb.EndConversation()},)], ids=["hangs up", "ends the call"])


@ENDS
def test_what_a_tool_reports_after_the_call_is_left_to_the_next_one(says: tuple[dict[str, Any], ...]) -> None:
    async def example() -> None:
        stages = ScriptedStages()
        stages.script.append("mute_tool")
        kept = await call(stages, agent(reports_later=True), *says)
        assert len(stages.generations) == 2, "the call and the words with it; nobody is there to be told"
        assert kept[-1]["is_report"]

    virtual_time.run(example())


@ENDS
def test_an_answer_that_waits_for_a_tool_goes_on_no_more_after_the_call(says: tuple[dict[str, Any], ...]) -> None:
    async def example() -> None:
        stages = ScriptedStages()
        stages.script.append("mute_tool")
        kept = await call(stages, agent(), *says)
        assert len(stages.generations) == 1
        assert [message["role"] for message in kept] == ["user", "assistant", "tool"]

    virtual_time.run(example())
