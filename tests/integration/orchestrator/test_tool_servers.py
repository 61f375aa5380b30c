"""A tool server in whole calls: what it offers is called, and a call outlives it."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.orchestrator.tools import mcp_servers
from tests.support.caller import calling
from tests.support.stack import AGENT, stack
from tests.support.tools import CALLS_TOOL, asks
from tests.unit.house.tree import ROOT

pytestmark = pytest.mark.integration

SERVER = {
    "name": "tests",
    "command": sys.executable,
    "args": ["-m", "tests.support.tool_server"],
    "env": {"PYTHONPATH": str(ROOT)},
    "prefix": "shop-",
}
CALLS_SERVER = CALLS_TOOL | {"fake_tool_name": "shop-opening_hours"}
DOWN = {"name": "tests", "command": "no-such-command-anywhere"}


async def test_a_servers_tool_is_called_and_a_server_that_is_gone_is_told_to_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_servers, "START_S", 30)  # however busy this machine is
    agent = AGENT + f"mcp: [{json.dumps(SERVER)}]\n"
    async with stack(tmp_path, agent=agent, llm=CALLS_SERVER) as parts, calling(parts.channel) as caller:
        ask: Any = parts.channel.unary_unary(
            "/voice.orchestrator.v1.VoiceAgent/ListAgents",
            pb.ListAgentsRequest.SerializeToString,
            pb.ListAgentsResponse.FromString,
        )
        assert "shop-opening_hours" in (await ask(pb.ListAgentsRequest(), timeout=10)).agents[0].tools
        since = await asks(caller)
        assert (await caller.kind("turn_summary", since)).heard_text == "It is done."
        done = caller.all("tool_call", since)[-1]
        assert (done.status, done.runs_at_client) == (pb.TOOL_CALL_STATUS_SUCCEEDED, False)
        result = json.loads(done.result_json)
        assert result["day"] == "monday"
        os.kill(result["pid"], signal.SIGKILL)
        await caller.state(pb.CONVERSATION_STATE_LISTENING, since)
        since = await asks(caller)
        summary = await caller.kind("turn_summary", since)
        assert summary.heard_text.endswith("It is done.")
        assert summary.outcome == ""


async def test_an_agent_whose_server_is_down_still_talks(tmp_path: Path) -> None:
    agent = AGENT + f"mcp: [{json.dumps(DOWN)}]\n"
    async with stack(tmp_path, agent=agent, llm={"fake_reply": "Fine."}) as parts, calling(parts.channel) as caller:
        since = await asks(caller)
        assert (await caller.kind("turn_summary", since)).heard_text == "Fine."
