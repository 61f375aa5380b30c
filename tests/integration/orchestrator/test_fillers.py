"""Slow tools in whole turns: what is said meanwhile, what becomes of the result, and tools that report later."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from tests.support.caller import LISTENING, SPEAKING, SPEECH, Caller, calling, start_of
from tests.support.stack import Stack, stack
from tests.support.tools import CALLS_TOOL, agent_with, answer, asks, webhook

pytestmark = pytest.mark.integration

SOON: dict[str, Any] = {"filler_after_ms": 30, "filler_every_ms": 60}
OWN = ["Let me look.", "Still looking."]
RESULT = {"free": True}


@dataclass
class SlowTool:
    """A webhook that answers once it is released."""

    release: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0

    async def respond(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        await self.release.wait()
        await answer(json.dumps(RESULT).encode())(request, writer)


@contextlib.asynccontextmanager
async def slow_call(
    folder: Path, orchestrator: dict[str, Any] | None = None, more: str = "", **fields: Any
) -> AsyncIterator[tuple[SlowTool, Stack, Caller]]:
    """Hold a call with an agent whose tool is slow; `more`: of the agent; `fields`: more of the tool."""
    tool = SlowTool()
    fields = {"timeout_ms": 20_000} | fields
    async with (
        webhook(tool.respond) as url,
        stack(
            folder, agent=agent_with(url, **fields) + more, llm=CALLS_TOOL, orchestrator=SOON | (orchestrator or {})
        ) as parts,
        calling(parts.channel) as caller,
    ):
        yield tool, parts, caller


async def says(caller: Caller, text: str, since: int) -> None:
    await caller.next(lambda r: r.transcript.text == text, since)


def said(caller: Caller, since: int) -> list[str]:
    return [told.text for told in caller.all("transcript", since) if told.speaker == pb.SPEAKER_AGENT]


async def kept(parts: Stack, caller: Caller) -> list[dict[str, Any]]:
    """Return the conversation as the session keeps it, once the call is over."""
    await caller.send(pb.ConverseRequest(end=pb.EndConversation()))
    await caller.over()
    service: Any = parts.servers["orchestrator"]._service
    record = await service._store.load(caller.all("started")[0].session_id)
    messages: list[dict[str, Any]] = record.messages
    return messages


async def test_a_slow_tool_is_waited_for_with_its_own_words_and_then_the_agents(tmp_path: Path) -> None:
    async with slow_call(tmp_path, fillers=OWN) as (tool, parts, caller):
        since = await asks(caller)
        await says(caller, "I'm still on it.", since)
        tool.release.set()
        summary = await caller.kind("turn_summary", since)
        heard = [*OWN, "One moment, please.", "I'm still on it.", "It is done."]
        assert said(caller, since) == heard
        assert (summary.agent_text, summary.heard_text, summary.outcome) == (" ".join(heard), " ".join(heard), "")
        messages = await kept(parts, caller)
        contents = [message["content"] for message in messages]
        assert contents == ["Hello there.", "please look", "", json.dumps(RESULT), "It is done."]


async def test_a_slow_tool_is_waited_for_in_the_language_of_the_call(tmp_path: Path) -> None:
    spanish = "languages: [{tag: es, tools: [{name: lookup, fillers: [Voy a ver.]}]}]\n"
    async with slow_call(tmp_path, more=spanish, fillers=OWN) as (tool, _, caller):
        since = caller.mark()
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="please look", language="es")))
        await says(caller, "Un momento, por favor.", since)
        tool.release.set()
        assert (await caller.kind("turn_summary", since)).language == "es"
        assert said(caller, since)[0] == "Voy a ver."
        assert not set(OWN) & set(said(caller, since))


async def test_a_tool_is_not_apologised_for_while_fillers_are_heard(tmp_path: Path) -> None:
    async with slow_call(tmp_path, {"reply_ms": 300}) as (tool, _, caller):
        since = await asks(caller)
        await says(caller, "Thank you for waiting, this takes a little longer.", since)
        await caller.next(lambda r: r.transcript.text == "One moment, please.", caller.mark())
        tool.release.set()
        summary = await caller.kind("turn_summary", since)
        assert summary.heard_text.endswith("It is done.")
        assert tool.calls == 1


async def test_a_tool_may_be_waited_for_in_silence(tmp_path: Path) -> None:
    async with slow_call(tmp_path, {"reply_ms": 400}, fillers=[]) as (tool, _, caller):
        since = await asks(caller)
        await says(caller, "Sorry, something went wrong.", since)
        tool.release.set()
        await caller.next(lambda r: r.turn_summary.outcome == "apology", since)
        assert said(caller, since) == ["Sorry, something went wrong."]


async def test_speech_over_a_filler_ends_the_wait_and_the_result_lands_in_context(tmp_path: Path) -> None:
    async with slow_call(tmp_path, fillers=["One two three four five six seven eight nine ten."]) as (
        tool,
        parts,
        caller,
    ):
        since = await asks(caller)
        await caller.state(SPEAKING, since)
        await caller.audio(SPEECH, 5)
        await caller.kind("pause_playback", since)
        await caller.audio(SPEECH, 50)
        summary = await caller.kind("turn_summary", since)
        assert summary.interrupted
        fillers = said(caller, since)
        tool.release.set()
        await caller.next(lambda r: r.tool_call.status == pb.TOOL_CALL_STATUS_SUCCEEDED, since)
        assert said(caller, since) == fillers
        assert [message["role"] for message in await kept(parts, caller)][-2:] == ["assistant", "tool"]


async def test_a_tool_reports_later_and_the_agent_tells_it_by_itself(tmp_path: Path) -> None:
    async with slow_call(tmp_path, reports_later=True) as (tool, parts, caller):
        since = await asks(caller)
        assert (await caller.kind("turn_summary", since)).heard_text == "It is done."
        await caller.state(LISTENING, since)
        since = caller.mark()
        tool.release.set()
        summary = await caller.kind("turn_summary", since)
        assert (summary.user_text, summary.heard_text, summary.outcome) == ("", "It is done.", "report")
        assert caller.kinds(since)[0] == "tool_call"
        await caller.state(LISTENING, since)
        messages = await kept(parts, caller)
        roles = [message["role"] for message in messages]
        assert roles == ["assistant", "user", "assistant", "assistant", "tool", "assistant"]
        assert [message["is_report"] for message in messages].count(True) == 1


async def test_what_is_reported_while_the_agent_speaks_is_told_after_it(tmp_path: Path) -> None:
    async with slow_call(tmp_path, reports_later=True) as (tool, _, caller):
        since = await asks(caller)
        await caller.state(SPEAKING, since)
        tool.release.set()
        await caller.next(lambda r: r.tool_call.status == pb.TOOL_CALL_STATUS_SUCCEEDED, since)
        await caller.next(lambda r: r.turn_summary.outcome == "report", since)
        outcomes = [summary.outcome for summary in caller.all("turn_summary", since)]
        assert outcomes == ["", "report"]


async def test_what_is_reported_while_the_caller_speaks_is_in_the_answer_and_told_once(tmp_path: Path) -> None:
    async with slow_call(tmp_path, reports_later=True) as (tool, parts, caller):
        since = await asks(caller)
        await caller.kind("turn_summary", since)
        await caller.state(LISTENING, since)
        since = caller.mark()
        await caller.audio(SPEECH, 20)
        await caller.next(lambda r: r.transcript.speaker == pb.SPEAKER_USER, since)
        tool.release.set()
        await caller.next(lambda r: r.tool_call.status == pb.TOOL_CALL_STATUS_SUCCEEDED, since)
        await caller.say()
        assert (await caller.kind("turn_summary", since)).outcome == ""
        await caller.state(LISTENING, since)
        assert not [summary for summary in caller.all("turn_summary", since) if summary.outcome == "report"]
        assert [message["role"] for message in await kept(parts, caller)][-3:] == ["tool", "user", "assistant"]


async def test_a_tool_that_the_call_did_not_wait_for_is_recorded_and_told_in_the_next(tmp_path: Path) -> None:
    async with slow_call(tmp_path, reports_later=True) as (tool, parts, caller):
        since = await asks(caller)
        await caller.kind("turn_summary", since)
        messages = await kept(parts, caller)
        assert json.loads(messages[-1]["content"]) == {"error": "the call ended before the tool answered"}
        tool.release.set()
        session = caller.all("started")[0].session_id
        async with calling(parts.channel, start_of(session_id=session), greeted=False) as again:
            assert (await again.kind("turn_summary")).outcome == "report"
