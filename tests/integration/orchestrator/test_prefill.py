"""What the model will be shown before the caller's words is computed while they are spoken."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.llm.engine import GenerationRequest, Priority, Role
from services.llm.engines.fake import FakeEngine
from tests.support.caller import SILENCE, SPEECH, Caller, calling
from tests.support.stack import AGENT, stack

pytestmark = pytest.mark.integration


class Asked:
    """Prefill requests that the fake engine got."""

    def __init__(self, cached_tokens: int) -> None:
        self.cached_tokens = cached_tokens
        self.requests: asyncio.Queue[GenerationRequest] = asyncio.Queue()

    async def prefill(self, engine: FakeEngine, request: GenerationRequest) -> int:
        """Stand in for the engine's own."""
        self.requests.put_nowait(request)
        return self.cached_tokens


@pytest.fixture
def asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked(request.param)
    monkeypatch.setattr(FakeEngine, "prefill", lambda engine, wanted: asked.prefill(engine, wanted))
    return asked


async def turn(caller: Caller) -> None:
    since = caller.mark()
    await caller.audio(SPEECH, 20)
    await caller.audio(SILENCE, 10)
    await caller.next(lambda r: r.turn_summary.user_text != "", since)


@pytest.mark.parametrize("asked", [12], indirect=True)
async def test_a_conversation_is_warmed_while_the_caller_speaks(tmp_path: Path, asked: Asked) -> None:
    agent = AGENT + "tenant: willow\n"
    async with stack(tmp_path, agent=agent) as parts, calling(parts.channel) as caller:
        await caller.audio(SPEECH, 20)
        async with asyncio.timeout(5):
            request = await asked.requests.get()
        assert request.priority is Priority.PREFILL
        assert request.tenant == "willow"
        assert [message.role for message in request.messages] == [Role.SYSTEM, Role.ASSISTANT]
        await caller.audio(SILENCE, 10)
        await caller.next(lambda r: r.turn_summary.user_text != "")
        await turn(caller)
        async with asyncio.timeout(5):
            request = await asked.requests.get()
        assert [message.role for message in request.messages][-2:] == [Role.USER, Role.ASSISTANT]


@pytest.mark.parametrize("asked", [0], indirect=True)
async def test_an_engine_without_a_cache_is_asked_once_a_call(tmp_path: Path, asked: Asked) -> None:
    async with stack(tmp_path) as parts, calling(parts.channel) as caller:
        await turn(caller)
        await turn(caller)
        assert asked.requests.qsize() == 1
