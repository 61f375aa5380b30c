"""What is said differs from what is written; how it is said, how long, how soon, and by which model: over real gRPC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.llm.servicer import LlmService
from services.llm.settings import LlmSettings
from tests.support.caller import INTERRUPTED, SPEAKING, SPEECH, Caller, calling, start_of
from tests.support.servers import serving
from tests.support.stack import AGENT, Stack, stack

pytestmark = pytest.mark.integration

WORD_MS = 200
"""Of the fake voice, for each word that is said."""
REST = " and that is all that there is to be said about it today, so let me know when you want to come and see it."


def engine_of(parts: Stack, stage: str) -> Any:
    return parts.servers[stage]._service.engine  # type: ignore[attr-defined]


def agent(**more: str) -> str:
    return AGENT + "".join(f"{name}: {value}\n" for name, value in more.items())


async def typed(caller: Caller, text: str = "tell me more") -> pb.TurnSummary:
    since = caller.mark()
    await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text=text)))
    summary: pb.TurnSummary = (await caller.next(lambda r: r.turn_summary.agent_text != "", since)).turn_summary
    return summary


async def test_figures_are_said_in_words_and_written_as_figures(tmp_path: Path) -> None:
    reply = "It costs $12.50, and **we** open at 9:30 a.m. on March 3."
    async with stack(tmp_path, llm={"fake_reply": reply}) as parts, calling(parts.channel) as caller:
        summary = await typed(caller)
        assert summary.agent_text == summary.heard_text == reply
        said = " ".join(text for _, text in engine_of(parts, "tts").latest)
        assert "twelve dollars and fifty cents" in said
        assert "nine thirty a m on March third." in said
        assert "*" not in said
        assert not any(char.isdecimal() for char in said)


@pytest.mark.parametrize(
    ("played_words", "heard"),
    [
        (3, "It costs"),  # "twelve" was said: of a price, all was heard or nothing
        (7, "It costs $12.50"),
        (8, "It costs $12.50 and"),
    ],
)
async def test_an_interruption_cuts_at_the_written_word(tmp_path: Path, played_words: int, heard: str) -> None:
    async with (
        stack(tmp_path, llm={"fake_reply": f"It costs $12.50{REST}"}) as parts,
        calling(parts.channel, start_of(sends_playback_progress=True)) as caller,
    ):
        since = caller.mark()
        await caller.say()
        epoch = (await caller.state(SPEAKING, since)).turn_epoch
        await caller.next(lambda r: r.HasField("audio") and r.audio.offset_ms >= played_words * WORD_MS + 100, since)
        await caller.audio(SPEECH, 2)
        await caller.kind("pause_playback", since)
        progress = pb.PlaybackProgress(turn_epoch=epoch, played_ms=played_words * WORD_MS + 20)
        await caller.send(pb.ConverseRequest(playback_progress=progress))
        await caller.audio(SPEECH, 45)
        await caller.state(INTERRUPTED, since)
        assert (await caller.kind("turn_summary", since)).heard_text == heard


async def test_a_style_and_a_pause_reach_the_voice_and_are_never_written(tmp_path: Path) -> None:
    reply = 'Hello. <emotion value="cheerful"/>We have it! <break time="400ms"/>Anything else?'
    async with stack(tmp_path, llm={"fake_reply": reply}) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        summary = await typed(caller)
        assert summary.agent_text == "Hello. We have it! Anything else?"
        latest = list(engine_of(parts, "tts").latest)[-3:]
        assert [(text, config.style) for config, text in latest] == [
            ("Hello.", ""),
            ("We have it!", "cheerful"),
            ("Anything else?", "cheerful"),
        ]
        frames = [frame for frame in caller.all("audio", since) if frame.turn_epoch == summary.turn_epoch]
        assert sum(len(frame.pcm) for frame in frames) == (6 * WORD_MS + 400) * 32


async def test_a_model_that_runs_on_is_stopped_at_the_end_of_a_sentence(tmp_path: Path) -> None:
    reply = " ".join(f"This is sentence {number}." for number in range(1, 30))
    llm = {"fake_reply": reply, "fake_words_per_delta": 1, "fake_delta_delay_ms": 1}
    quick = {"fake_word_ms": 20}
    short = agent(llm="{max_sentences: 1}")
    async with stack(tmp_path, agent=short, llm=llm, tts=quick) as parts, calling(parts.channel) as caller:
        summary = await typed(caller)
        assert summary.agent_text == summary.heard_text == "This is sentence 1. This is sentence 2."
        assert summary.outcome == ""
        assert parts.servers["llm"]._service.running == 0  # type: ignore[attr-defined]
    unlimited = agent(llm="{max_sentences: 0}")
    async with stack(tmp_path, agent=unlimited, llm=llm, tts=quick) as parts, calling(parts.channel) as caller:
        assert (await typed(caller)).agent_text == reply


async def test_an_answer_waits_for_the_shortest_gap_and_says_so(tmp_path: Path) -> None:
    gap = agent(turn="{min_gap_ms: 1500}")
    async with stack(tmp_path, agent=gap, llm={"fake_reply": "Yes."}) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        await caller.say()
        summary = await caller.kind("turn_summary", since)
        took_ms = {hop.name: hop.duration_ms for hop in summary.hops}
        assert took_ms["min_gap"] > 0
        assert summary.response_ms >= 1499
        assert abs(sum(took_ms.values()) - summary.response_ms) <= 2


ROUTED = agent(llm='{model: large, fast_model: small, route: {examples: ["when are you open", "where are you"]}}')


async def test_a_simple_request_goes_to_the_small_model(tmp_path: Path) -> None:
    settings = LlmSettings(engine="fake", port=0, fake_reply="I am the small one.")
    async with serving(LlmService(settings), settings) as (small, _):
        orchestrator = {"llm_fast_target": f"127.0.0.1:{small.port}"}
        large = {"fake_reply": "I am the large one."}
        async with (
            stack(tmp_path, agent=ROUTED, orchestrator=orchestrator, llm=large) as parts,
            calling(parts.channel) as caller,
        ):
            assert (await typed(caller, "when are you open")).agent_text == "I am the small one."
            assert (await typed(caller, "my tooth hurts")).agent_text == "I am the large one."


async def test_what_the_small_model_s_server_refuses_the_large_one_answers(tmp_path: Path) -> None:
    settings = LlmSettings(engine="rules", port=0)  # has no script named small
    async with (
        serving(LlmService(settings), settings) as (small, _),
        stack(tmp_path, agent=ROUTED, orchestrator={"llm_fast_target": f"127.0.0.1:{small.port}"}) as parts,
        calling(parts.channel) as caller,
    ):
        assert (await typed(caller, "when are you open")).outcome == ""


async def test_where_the_small_model_is_down_the_large_one_answers(tmp_path: Path) -> None:
    settings = LlmSettings(engine="fake", port=0)
    async with serving(LlmService(settings), settings) as (small, _):
        port = small.port
    async with (
        stack(tmp_path, agent=ROUTED, orchestrator={"llm_fast_target": f"127.0.0.1:{port}"}) as parts,
        calling(parts.channel) as caller,
    ):
        assert (await typed(caller, "when are you open")).outcome == ""
