"""What the turn detector learns of the agent's question, over real gRPC with fake engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.expected import Expected
from services.turn.events import TurnEvent
from services.turn.tracker import TurnTracker
from tests.support.caller import INTERRUPTED, LISTENING, SPEAKING, calling
from tests.support.stack import stack

pytestmark = pytest.mark.integration

ASKS = "Thank you, that is noted. What is your phone number?"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, Expected]]:
    """Return what the turn detector is told of the agent, as it comes."""
    states: list[tuple[bool, Expected]] = []
    agent = TurnTracker.agent

    def noted(tracker: TurnTracker, speaking: bool, expected: Expected, **fields: Any) -> list[TurnEvent]:
        states.append((speaking, expected))
        return agent(tracker, speaking, expected, **fields)

    monkeypatch.setattr(TurnTracker, "agent", noted)
    return states


async def test_the_question_is_told_once_the_agent_is_silent(tmp_path: Path, told: list[tuple[bool, Expected]]) -> None:
    async with stack(tmp_path, llm={"fake_reply": ASKS}) as parts, calling(parts.channel) as caller:
        for _ in range(2):  # the second turn is answered after all that was told of the first
            since = caller.mark()
            await caller.say()
            await caller.kind("turn_summary", since)
            await caller.state(LISTENING, since + 1)
    assert (False, Expected.PHONE_NUMBER) in told
    assert (True, Expected.PHONE_NUMBER) not in told


async def test_a_question_that_was_interrupted_before_it_was_asked_is_not_told(
    tmp_path: Path, told: list[tuple[bool, Expected]]
) -> None:
    reply = "word " * 60 + ASKS
    async with stack(tmp_path, llm={"fake_reply": reply}) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        await caller.say()
        await caller.state(SPEAKING, since)
        await caller.send(pb.ConverseRequest(interrupt=pb.InterruptAgent()))
        await caller.state(INTERRUPTED, since)
        summary = await caller.kind("turn_summary", since)
        assert summary.interrupted
        since = caller.mark()
        await caller.say()
        await caller.state(SPEAKING, since)
    assert (False, Expected.PHONE_NUMBER) not in told
