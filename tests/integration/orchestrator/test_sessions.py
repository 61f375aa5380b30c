"""Sessions outlive calls: resumption, take-over, ending by the API, a Redis that goes away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from tests.support.caller import Caller, calling, start_of
from tests.support.redis import RedisServer
from tests.support.stack import Stack, stack

pytestmark = pytest.mark.integration

ECHO = {"fake_reply": "You said {user}."}


def unary(parts: Stack, method: str, request: Any, response: Any) -> Any:
    """Return a unary call to the orchestrator."""
    call = parts.channel.unary_unary(
        f"/voice.orchestrator.v1.VoiceAgent/{method}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString,
    )
    return call(request)


async def answered(caller: Caller, text: str) -> pb.TurnSummary:
    """Type a turn and return its summary."""
    since = caller.mark()
    await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text=text)))
    summary: pb.TurnSummary = await caller.kind("turn_summary", since)
    return summary


async def test_a_broken_call_is_resumed_without_a_second_greeting(tmp_path: Path) -> None:
    async with stack(tmp_path, llm=ECHO) as parts:
        async with calling(parts.channel) as caller:
            session_id = caller.all("started")[0].session_id
            await answered(caller, "first")
            last_epoch = caller.all("turn_summary")[-1].turn_epoch
        async with calling(parts.channel, start_of(session_id=session_id, agent=""), greeted=False) as again:
            started = await again.kind("started")
            assert (started.session_id, started.resumed, started.agent) == (session_id, True, "tester")
            summary = await answered(again, "second")
            assert summary.turn_epoch > last_epoch
            assert [s.user_text for s in again.all("turn_summary")] == ["second"]
            known = await unary(parts, "GetSession", pb.GetSessionRequest(session_id=session_id), pb.GetSessionResponse)
            assert (known.is_live, known.turns, known.agent) == (True, 2, "tester")


async def test_words_without_an_answer_are_answered_after_resumption(tmp_path: Path) -> None:
    slow = ECHO | {"fake_first_delay_ms": 1500}
    async with stack(tmp_path, llm=slow) as parts:
        async with calling(parts.channel) as caller:
            session_id = caller.all("started")[0].session_id
            await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="do not forget me")))
            await caller.next(lambda r: r.state_changed.state == pb.CONVERSATION_STATE_THINKING, caller.mark() - 1)
        async with calling(parts.channel, start_of(session_id=session_id), greeted=False) as again:
            summary = await again.kind("turn_summary")
            assert summary.user_text == "do not forget me"
            assert summary.heard_text == "You said do not forget me."


async def test_a_second_connection_takes_the_session_over(tmp_path: Path) -> None:
    async with stack(tmp_path, llm=ECHO) as parts, calling(parts.channel) as caller:
        session_id = caller.all("started")[0].session_id
        await answered(caller, "first")
        async with calling(parts.channel, start_of(session_id=session_id), greeted=False) as second:
            assert (await second.kind("started")).resumed
            await caller.over()
            assert caller.all("ended")[-1].reason == pb.END_REASON_RESUMED_ELSEWHERE
            assert (await answered(second, "again")).heard_text == "You said again."


async def test_a_session_ended_by_the_api_is_forgotten(tmp_path: Path) -> None:
    async with stack(tmp_path) as parts, calling(parts.channel) as caller:
        session_id = caller.all("started")[0].session_id
        await unary(parts, "EndSession", pb.EndSessionRequest(session_id=session_id), pb.EndSessionResponse)
        await caller.over()
        assert caller.all("ended")[-1].reason == pb.END_REASON_ENDED_BY_API
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await unary(parts, "GetSession", pb.GetSessionRequest(session_id=session_id), pb.GetSessionResponse)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_agents_are_listed(tmp_path: Path) -> None:
    async with stack(tmp_path) as parts:
        listed = await unary(parts, "ListAgents", pb.ListAgentsRequest(), pb.ListAgentsResponse)
        assert [(a.name, a.language, a.description) for a in listed.agents] == [
            ("tester", "en-US", "An agent for tests.")
        ]


async def test_a_drain_tells_the_callers_and_the_session_survives(tmp_path: Path, redis_server: RedisServer) -> None:
    settings = {"redis_url": redis_server.url, "drain_grace_ms": 500}
    async with stack(tmp_path, orchestrator=settings, llm=ECHO) as parts, calling(parts.channel) as caller:
        session_id = caller.all("started")[0].session_id
        await answered(caller, "first")
        await parts.servers["orchestrator"].stop()
        assert (await caller.kind("going_away")).grace_ms == 500
        await caller.over()
    async with (
        stack(tmp_path, orchestrator=settings, llm=ECHO) as parts,
        calling(parts.channel, start_of(session_id=session_id), greeted=False) as again,
    ):
        assert (await again.kind("started")).resumed
        assert (await answered(again, "second")).heard_text == "You said second."


async def test_redis_gone_in_the_middle_of_a_call(tmp_path: Path, redis_server: RedisServer) -> None:
    settings = {"redis_url": redis_server.url}
    async with stack(tmp_path, orchestrator=settings, llm=ECHO) as parts, calling(parts.channel) as caller:
        session_id = caller.all("started")[0].session_id
        await answered(caller, "first")
        await redis_server.kill()
        assert (await answered(caller, "second")).heard_text == "You said second."
        error = await caller.kind("error")
        assert error.code == pb.ERROR_CODE_SESSION_STORE
        assert not error.is_fatal
        await redis_server.start()
        await answered(caller, "third")
        await caller.hang_up()
        async with calling(parts.channel, start_of(session_id=session_id), greeted=False) as again:
            assert (await again.kind("started")).resumed
            known = await unary(parts, "GetSession", pb.GetSessionRequest(session_id=session_id), pb.GetSessionResponse)
            assert known.turns == 3
