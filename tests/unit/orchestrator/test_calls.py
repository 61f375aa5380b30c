"""How a call begins: a session that is resumed, and the agent as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.errors import InvalidInput, NotReady
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


async def until(condition: Callable[[], bool]) -> None:
    """Let the others go on until it is so."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(0.001)


class SlowStore(MemoryStore):
    """A store that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(60)
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def load(self, session_id: str) -> SessionRecord | None:
        self.asked += 1
        await self.may_answer.wait()
        return await super().load(session_id)


class Caller:
    """One that resumes the session, and stays on the line until it is told to hang up."""

    def __init__(self, calls: Calls) -> None:
        self.told: list[str | None] = []
        self.hang_up = asyncio.Event()
        start = pb.StartConversation(session_id="0123456789", format=AUDIO)
        self.call = asyncio.create_task(calls.hold(start, self._requests(), self._write, CallMeter()))

    async def _requests(self) -> AsyncIterator[bytes]:
        await self.hang_up.wait()
        none: tuple[bytes, ...] = ()
        for raw in none:
            yield raw

    async def _write(self, raw: bytes) -> None:
        self.told.append(pb.ConverseResponse.FromString(raw).WhichOneof("event"))


@asynccontextmanager
async def slow_calls() -> AsyncIterator[tuple[Calls, SlowStore]]:
    """Yield calls whose sessions are read slowly, and what they are read from."""
    store = SlowStore()
    await store.save(SessionRecord("0123456789", AGENT.name))
    async with httpx.AsyncClient() as http, asyncio.timeout(60):
        yield Calls(AgentBook({AGENT.name: AGENT}), ScriptedStages(), store, http, McpServers([])), store  # type: ignore[arg-type]


def test_a_call_whose_session_is_still_read_when_the_drain_begins_is_sent_elsewhere() -> None:
    async def example() -> None:
        async with slow_calls() as (calls, store):
            caller = Caller(calls)
            await until(lambda: store.asked == 1)
            await calls.drain(1000)
            store.may_answer.set()
            with pytest.raises(NotReady, match="call again"):
                await caller.call
            assert caller.told == []

    virtual_time.run(example())


def test_of_two_that_resume_a_session_at_once_one_has_it_and_the_other_is_ended() -> None:
    async def example() -> None:
        async with slow_calls() as (calls, store):
            first, second = Caller(calls), Caller(calls)
            await until(lambda: store.asked == 2)
            store.may_answer.set()
            await asyncio.wait({first.call, second.call}, return_when=asyncio.FIRST_COMPLETED)
            stays, gone = (second, first) if first.call.done() else (first, second)
            assert gone.told == ["ended"]
            await until(lambda: "started" in stays.told)
            assert not stays.call.done()
            assert (await calls.describe("0123456789")).is_live
            stays.hang_up.set()
            await stays.call

    virtual_time.run(example())
