"""Answers begun before the turn is over, over real gRPC: heard at once where the guess holds, and never where not."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.llm.engine import Priority, Role
from tests.integration.orchestrator.speculating import (
    DEADLINE_S,
    Watched,
    end_the_turn,
    speak_up_to_the_eager_end,
    watched,
)
from tests.support.caller import LISTENING, SILENCE, SPEAKING, SPEECH, THINKING, Caller
from tests.support.stack import AGENT
from tests.support.tools import CALLS_TOOL, agent_with, answer, webhook

pytestmark = pytest.mark.integration

FIRST = "You said hello there."
REST = "And that is all there is to say."
MODEL: dict[str, Any] = {"fake_reply": f"You said {{user}}. {REST}", "fake_first_delay_ms": 20}
HEARS = {"fake_texts": ("hello there",)}


async def guessed(engines: Watched, caller: Caller) -> int:
    """Speak until an answer was begun and its first phrase is rendered; return the mark before."""
    since, before = caller.mark(), engines.rendered.count(FIRST)
    await speak_up_to_the_eager_end(caller)
    await engines.until(lambda: engines.rendered.count(FIRST) > before)
    return since


def told(caller: Caller, since: int) -> list[str]:
    """Return what the caller was told and heard of an answer."""
    agent = [t.text for t in caller.all("transcript", since) if t.speaker == pb.SPEAKER_AGENT]
    return agent + ["audio"] * len(caller.all("audio", since)) + ["tool"] * len(caller.all("tool_call", since))


def shown(engines: Watched) -> list[tuple[Role, str]]:
    """Return the conversation as the model was last shown it, without the prompt and the greeting."""
    return [(message.role, message.content) for message in engines.asked[-1].messages[2:]]


async def test_a_guess_that_holds_is_the_answer(tmp_path: Path) -> None:
    async with watched(tmp_path, llm=MODEL, asr=HEARS) as (engines, caller):
        since = await guessed(engines, caller)
        assert told(caller, since) == []
        assert REST not in engines.spoken
        assert engines.asked[-1].priority is Priority.SPECULATIVE
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.agent_text, summary.heard_text) == (f"{FIRST} {REST}", f"{FIRST} {REST}")
        assert summary.speculated
        assert summary.hidden_ms >= 20
        hops = {hop.name: hop.duration_ms for hop in summary.hops}
        assert hops["llm_first_token"] == hops["tts_first_audio"] == 0
        assert abs(sum(hops.values()) - summary.response_ms) <= 2
        offsets = [frame.offset_ms for frame in caller.all("audio", since)]
        assert offsets[0] == 0
        assert sum(len(frame.pcm) for frame in caller.all("audio", since)) == 2 * 16 * 200 * len(
            summary.agent_text.split()
        )
        assert (engines.guesses, engines.live) == (["hello there"], [])
        await guessed(engines, caller)
        user, agent = (Role.USER, "hello there"), (Role.ASSISTANT, f"{FIRST} {REST}")
        assert shown(engines) == [user, agent, user]


async def test_other_words_are_answered_anew_and_the_guess_leaves_no_trace(tmp_path: Path) -> None:
    model = MODEL | {"fake_delta_delay_ms": 50, "fake_words_per_delta": 4}
    hears = HEARS | {"fake_finals": ("hello where",)}
    async with watched(tmp_path, llm=model, asr=hears) as (engines, caller):
        engines.finals.clear()
        since = await guessed(engines, caller)
        engines.finals.set()
        await caller.next(lambda r: r.transcript.is_final and r.transcript.text == "hello where", since)
        await engines.until(lambda: "You said hello where." in engines.rendered)
        assert told(caller, since) == []
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.user_text, summary.heard_text) == ("hello where", f"You said hello where. {REST}")
        assert summary.speculated
        assert engines.guesses == ["hello there", "hello where"]
        assert engines.live == []
        engines.finals.clear()
        await guessed(engines, caller)
        assert [text for _, text in shown(engines)][:2] == ["hello where", f"You said hello where. {REST}"]


async def test_words_that_come_too_late_for_another_guess_are_answered_live(tmp_path: Path) -> None:
    hears = HEARS | {"fake_finals": ("hello where",)}
    async with watched(tmp_path, llm=MODEL, asr=hears) as (engines, caller):
        engines.finals.clear()
        since = await guessed(engines, caller)
        await end_the_turn(caller)
        await caller.state(THINKING, since)
        engines.finals.set()
        summary = await caller.kind("turn_summary", since)
        assert summary.heard_text == f"You said hello where. {REST}"
        assert not summary.speculated
        assert (engines.guesses, engines.live) == (["hello there"], ["hello where"])
        await engines.until_idle()


async def test_punctuation_case_and_fillers_are_the_same_words(tmp_path: Path) -> None:
    hears = HEARS | {"fake_finals": ("Um, hello there!",)}
    async with watched(tmp_path, llm=MODEL, asr=hears) as (engines, caller):
        engines.finals.clear()
        since = await guessed(engines, caller)
        engines.finals.set()
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.user_text, summary.heard_text) == ("Um, hello there!", f"{FIRST} {REST}")
        assert summary.speculated
        await guessed(engines, caller)
        assert shown(engines)[0] == (Role.USER, "Um, hello there!")


async def test_a_turn_that_goes_on_drops_the_guess_and_the_next_one_of_its_epoch_is_heard(tmp_path: Path) -> None:
    async with watched(tmp_path, llm=MODEL, asr=HEARS) as (engines, caller):
        since = await guessed(engines, caller)
        await caller.audio(SPEECH, 10)
        await engines.until_idle()
        assert told(caller, since) == []
        await caller.audio(SILENCE, 4)
        await engines.until(lambda: engines.rendered.count(FIRST) == 2)
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.heard_text, summary.speculated) == (f"{FIRST} {REST}", True)
        assert engines.guesses == ["hello there", "hello there"]
        assert caller.all("audio", since)[0].offset_ms == 0
        assert {frame.turn_epoch for frame in caller.all("audio", since)} == {summary.turn_epoch}


async def test_typed_text_during_a_guess_is_answered_instead(tmp_path: Path) -> None:
    async with watched(tmp_path, llm=MODEL, asr=HEARS) as (engines, caller):
        since = await guessed(engines, caller)
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="and more")))
        summary = await caller.kind("turn_summary", since)
        assert summary.user_text.endswith("and more")
        assert not summary.speculated
        assert len(engines.live) == 1
        await engines.until_idle()


async def test_an_interruption_during_a_guess_stops_nothing_that_was_not_heard(tmp_path: Path) -> None:
    async with watched(tmp_path, llm=MODEL, asr=HEARS) as (engines, caller):
        since = await guessed(engines, caller)
        await caller.send(pb.ConverseRequest(interrupt=pb.InterruptAgent()))
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.heard_text, summary.interrupted) == (f"{FIRST} {REST}", False)


async def test_barge_in_into_an_answer_that_was_guessed_cuts_it_to_the_word(tmp_path: Path) -> None:
    start = {"sends_playback_progress": True}
    async with watched(tmp_path, llm=MODEL, asr=HEARS, start=start) as (engines, caller):
        since = await guessed(engines, caller)
        await end_the_turn(caller)
        epoch = (await caller.state(SPEAKING, since)).turn_epoch
        await caller.next(lambda r: r.HasField("audio") and r.audio.offset_ms >= 400, since)
        await caller.audio(SPEECH, 2)
        await caller.kind("pause_playback", since)
        await caller.send(pb.ConverseRequest(playback_progress=pb.PlaybackProgress(turn_epoch=epoch, played_ms=420)))
        await caller.audio(SPEECH, 45)
        assert (await caller.kind("clear_playback", since)).turn_epoch == epoch
        summary = await caller.kind("turn_summary", since)
        assert (summary.heard_text, summary.interrupted) == ("You said", True)
        await caller.audio(SILENCE, 4)
        await engines.until(lambda: engines.guesses[1:][-1:] == ["hello there"])  # and no longer a shorter partial
        assert [text for _, text in shown(engines)] == ["hello there", "You said", "hello there"]


async def test_a_model_that_fails_in_a_guess_costs_nothing_but_the_gain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "services.orchestrator.guesses")
    # One word: a machine that stands still for a moment must not make a guess of a shorter partial.
    async with watched(tmp_path, llm=MODEL, asr={"fake_texts": ("hello",)}) as (engines, caller):
        engines.failing = 1
        since = caller.mark()
        await speak_up_to_the_eager_end(caller)
        await engines.until(lambda: len(engines.guesses) == 1)
        async with asyncio.timeout(DEADLINE_S):  # the orchestrator must be told, too, before the turn is over
            while "a guessed answer failed" not in caplog.messages:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.heard_text, summary.outcome, summary.speculated) == (f"You said hello. {REST}", "", False)
        assert (engines.guesses, engines.live) == (["hello"], ["hello"])
        assert caller.all("error", since) == []


async def test_synthesis_that_fails_in_a_guess_speaks_it_again(tmp_path: Path) -> None:
    async with watched(tmp_path, llm=MODEL, asr=HEARS) as (engines, caller):
        engines.failing_phrases = 1
        since = caller.mark()
        await speak_up_to_the_eager_end(caller)
        await engines.until(lambda: engines.rendered.count(FIRST) == 2)
        assert told(caller, since) == []
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.heard_text, summary.outcome, summary.speculated) == (f"{FIRST} {REST}", "", True)


async def test_a_tool_waits_until_the_turn_is_over(tmp_path: Path) -> None:
    called = asyncio.Event()

    async def respond(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        called.set()
        await answer(b'{"free": true}')(request, writer)

    hears = {"fake_texts": (CALLS_TOOL["fake_tool_when"],)}
    async with (
        webhook(respond) as url,
        watched(tmp_path, agent=agent_with(url), llm=CALLS_TOOL, asr=hears) as (engines, caller),
    ):
        since = caller.mark()
        await speak_up_to_the_eager_end(caller)
        await engines.until(lambda: len(engines.guesses) == 1)
        await engines.until_idle()
        assert told(caller, since) == []
        assert not called.is_set()
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.heard_text, summary.tool_calls) == ("It is done.", 1)
        assert called.is_set()
        assert summary.speculated


async def test_no_tool_of_a_guess_that_did_not_hold_is_called(tmp_path: Path) -> None:
    called = asyncio.Event()

    async def respond(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        called.set()
        await answer(b"{}")(request, writer)

    hears = {"fake_texts": (CALLS_TOOL["fake_tool_when"],), "fake_finals": ("never mind",)}
    async with (
        webhook(respond) as url,
        watched(tmp_path, agent=agent_with(url), llm=CALLS_TOOL, asr=hears) as (engines, caller),
    ):
        engines.finals.clear()
        since = caller.mark()
        await speak_up_to_the_eager_end(caller)
        await engines.until(lambda: len(engines.guesses) == 1)
        engines.finals.set()
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.user_text, summary.tool_calls) == ("never mind", 0)
        assert caller.all("tool_call", since) == []
        assert not called.is_set()


async def test_a_call_that_ends_during_a_guess_leaves_nothing_running(tmp_path: Path) -> None:
    model = MODEL | {"fake_delta_delay_ms": 10_000, "fake_words_per_delta": 4}
    async with watched(tmp_path, llm=model, asr=HEARS) as (engines, caller):
        since = await guessed(engines, caller)
        await caller.send(pb.ConverseRequest(end=pb.EndConversation()))
        await caller.over()
        assert told(caller, since) == []
        await engines.until_idle()


async def test_a_server_that_drains_during_a_guess_finishes_the_turn(tmp_path: Path) -> None:
    async with watched(tmp_path, llm=MODEL, asr=HEARS, orchestrator={"drain_grace_ms": 8000}) as (engines, caller):
        since = await guessed(engines, caller)
        stopping = asyncio.create_task(engines.stack.servers["orchestrator"].stop())
        await caller.kind("going_away", since)
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.heard_text, summary.speculated) == (f"{FIRST} {REST}", True)
        await caller.send(pb.ConverseRequest(end=pb.EndConversation()))
        await caller.over()
        await stopping


@pytest.mark.parametrize("how", ["setting", "agent"])
async def test_speculation_can_be_switched_off(tmp_path: Path, how: str) -> None:
    chosen: dict[str, Any] = {"orchestrator": {"speculation_max_open": 0}}
    if how == "agent":
        chosen = {"agent": AGENT + "llm: {speculates: false}\n"}
    async with watched(tmp_path, llm=MODEL, asr=HEARS, **chosen) as (engines, caller):
        since = caller.mark()
        await caller.audio(SPEECH, 20)
        await end_the_turn(caller)
        await caller.audio(SILENCE, 10)
        summary = await caller.kind("turn_summary", since)
        assert not summary.speculated
        assert (engines.guesses, engines.live) == ([], ["hello there"])
        await caller.state(LISTENING, since + 1)
