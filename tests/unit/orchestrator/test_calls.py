"""How a call begins: a session that is resumed, and the agent as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.errors import InvalidInput
from services.orchestrator.agent import Agent
from services.orchestrator.agents import AgentBook
from services.orchestrator.calls import Calls
from services.orchestrator.metering import CallMeter
from services.orchestrator.sessions.store import MemoryStore, SessionRecord
from services.orchestrator.tools.mcp_servers import McpServers
from tests.support import virtual_time
from tests.support.scripted_stages import ScriptedStages

pytestmark = pytest.mark.unit

AGENT = Agent.model_validate({"name": "tester", "prompt": "A test.", "languages": [{"tag": "es-ES"}]})
AUDIO = common_pb2.AudioFormat(sample_rate_hz=16000, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)


async def resumed(left_in: str, named: str = "") -> pb.ConversationStarted:
    """Resume a session that was left in a language, and hang up; return how the call began."""
    told: list[pb.ConverseResponse] = []

    async def nothing() -> AsyncIterator[bytes]:
        none: tuple[bytes, ...] = ()
        for raw in none:
            yield raw

    async def write(raw: bytes) -> None:
        told.append(pb.ConverseResponse.FromString(raw))

    store = MemoryStore(60)
    await store.save(SessionRecord("0123456789", AGENT.name, language=left_in))
    async with httpx.AsyncClient() as http:
        calls = Calls(AgentBook({AGENT.name: AGENT}), ScriptedStages(), store, http, McpServers([]))  # type: ignore[arg-type]
        start = pb.StartConversation(session_id="0123456789", format=AUDIO, language=named)
        await calls.hold(start, nothing(), write, CallMeter())
    return told[0].started


@pytest.mark.parametrize(
    ("left_in", "named", "language"),
    [
        ("", "", "en-US"),
        ("es-ES", "", "es-ES"),
        ("fr-FR", "", "en-US"),
        ("auto", "", "en-US"),
        ("fr-FR", "es", "es-ES"),
    ],
)
def test_a_session_goes_on_in_the_language_it_was_left_in_where_the_agent_still_speaks_it(
    left_in: str, named: str, language: str
) -> None:
    async def example() -> None:
        assert (await resumed(left_in, named)).language == language

    virtual_time.run(example())


def test_a_language_that_the_agent_lacks_is_refused_where_the_caller_names_it() -> None:
    async def example() -> None:
        with pytest.raises(InvalidInput, match="this agent speaks en-US, es-ES"):
            async with asyncio.timeout(5):
                await resumed("es-ES", "fr")

    virtual_time.run(example())
