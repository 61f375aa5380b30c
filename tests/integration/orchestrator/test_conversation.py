"""Whole turns over real gRPC, with fake engines: what a caller sees when all goes well, and when it interrupts."""

from __future__ import annotations

from pathlib import Path

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.spans import LINE_NAMES, MIN_GAP
from tests.support.caller import (
    INTERRUPTED,
    LISTENING,
    SILENCE,
    SPEAKING,
    SPEECH,
    THINKING,
    Caller,
    calling,
    start_of,
)
from tests.support.stack import Stack, stack

pytestmark = pytest.mark.integration

WORDS = " ".join(f"word{number}" for number in range(60)) + "."
WORD_MS = 200


def running(stack: Stack, stage: str) -> int:
    """Return how many requests a stage's engine is working on."""
    count: int = stack.servers[stage]._service.engine.running  # type: ignore[attr-defined]
    return count


async def test_a_turn_is_heard_answered_and_summed_up(tmp_path: Path) -> None:
    async with stack(tmp_path, llm={"fake_reply": "You said {user}."}) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        await caller.say()
        summary = await caller.kind("turn_summary", since)
        heard = next(t.text for t in caller.all("transcript", since) if t.speaker == pb.SPEAKER_USER and t.is_final)
        assert heard
        assert summary.user_text == heard
        assert summary.agent_text == summary.heard_text == f"You said {heard}."
        assert not summary.interrupted
        states = [changed.state for changed in caller.all("state_changed", since)]
        await caller.state(LISTENING, since + 1)
        assert states[:3] == [LISTENING, THINKING, SPEAKING]
        assert [hop.name for hop in summary.hops] == [name for name in LINE_NAMES if name != MIN_GAP]
        assert abs(sum(hop.duration_ms for hop in summary.hops) - summary.response_ms) <= 2


async def test_what_a_stage_queued_is_a_line_of_its_own(tmp_path: Path) -> None:
    llm = {"fake_reply": "One two three.", "fake_queue_delay_ms": 60, "fake_first_delay_ms": 20}
    tts = {"fake_queue_delay_ms": 40, "fake_first_audio_ms": 20}
    async with stack(tmp_path, llm=llm, tts=tts) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        await caller.say()
        summary = await caller.kind("turn_summary", since)
        took_ms = {hop.name: hop.duration_ms for hop in summary.hops}
        assert took_ms["llm_queue"] >= 59
        assert took_ms["llm_first_token"] >= 19
        assert took_ms["tts_queue"] >= 39
        assert took_ms["tts_first_audio"] >= 19
        assert abs(sum(took_ms.values()) - summary.response_ms) <= 2


async def test_audio_is_contiguous_and_as_long_as_what_is_said(tmp_path: Path) -> None:
    async with (
        stack(tmp_path, llm={"fake_reply": "One two three four five."}) as parts,
        calling(parts.channel) as caller,
    ):
        since = caller.mark()
        await caller.say()
        summary = await caller.kind("turn_summary", since)
        frames = caller.all("audio", since)
        assert {frame.turn_epoch for frame in frames} == {summary.turn_epoch}
        position = 0
        for frame in frames:
            assert frame.offset_ms == position
            position += len(frame.pcm) // 32
        assert position == 5 * WORD_MS
        assert len(frames[0].pcm) // 32 == 20


async def test_the_greeting_comes_first_and_a_call_can_be_ended(tmp_path: Path) -> None:
    async with stack(tmp_path) as parts, calling(parts.channel) as caller:
        assert caller.all("turn_summary")[0].agent_text == "Hello there."
        assert {info.stage for info in caller.all("started")[0].stages} == {"asr", "turn", "tts"}
        await caller.send(pb.ConverseRequest(end=pb.EndConversation()))
        await caller.over()
        assert caller.all("ended")[-1].reason == pb.END_REASON_CALLER
        assert caller.failure is None


async def until_speaking(caller: Caller, since: int) -> int:
    """Wait until the agent speaks; return its epoch."""
    return int((await caller.state(SPEAKING, since)).turn_epoch)


async def test_speech_over_the_agent_pauses_interrupts_and_truncates_to_the_word(tmp_path: Path) -> None:
    start = start_of(sends_playback_progress=True)
    async with stack(tmp_path, llm={"fake_reply": WORDS}) as parts, calling(parts.channel, start) as caller:
        since = caller.mark()
        await caller.say()
        epoch = await until_speaking(caller, since)
        await caller.next(lambda r: r.HasField("audio") and r.audio.offset_ms >= 1000, since)
        await caller.audio(SPEECH, 2)
        paused = await caller.kind("pause_playback", since)
        assert paused.turn_epoch == epoch
        progress = pb.PlaybackProgress(turn_epoch=epoch, played_ms=5 * WORD_MS + 20)
        await caller.send(pb.ConverseRequest(playback_progress=progress))
        await caller.audio(SPEECH, 45)
        assert (await caller.kind("clear_playback", since)).turn_epoch == epoch
        await caller.state(INTERRUPTED, since)
        summary = await caller.kind("turn_summary", since)
        assert summary.interrupted
        assert summary.heard_text == "word0 word1 word2 word3 word4"
        cleared = next(i for i, r in enumerate(caller.responses) if r.HasField("clear_playback"))
        mark = caller.mark()
        await caller.audio(SILENCE, 10)
        assert await until_speaking(caller, mark) > epoch
        await caller.next(lambda r: r.HasField("audio"), mark)
        late = [r.audio.turn_epoch for r in caller.responses[cleared:] if r.HasField("audio")]
        assert late
        assert min(late) > epoch


async def test_a_short_sound_over_the_agent_only_pauses_it(tmp_path: Path) -> None:
    hears = {"fake_texts": ("tell me more", "uh huh")}
    async with (
        stack(tmp_path, llm={"fake_reply": WORDS[:120]}, asr=hears) as parts,
        calling(parts.channel) as caller,
    ):
        since = caller.mark()
        await caller.say()
        epoch = await until_speaking(caller, since)
        await caller.audio(SPEECH, 3)
        await caller.kind("pause_playback", since)
        mark = caller.mark()
        await caller.audio(SILENCE, 40)
        assert (await caller.kind("resume_playback", mark)).turn_epoch == epoch
        summary = await caller.kind("turn_summary", mark)
        assert not summary.interrupted
        assert summary.heard_text == summary.agent_text


async def test_speech_before_the_answer_is_audible_joins_the_turn(tmp_path: Path) -> None:
    slow = {"fake_reply": "You said {user}.", "fake_first_delay_ms": 700}
    async with stack(tmp_path, llm=slow) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        await caller.say()
        await caller.state(THINKING, since)
        first = (
            await caller.next(lambda r: r.transcript.is_final and r.transcript.speaker == pb.SPEAKER_USER, since)
        ).transcript
        mark = caller.mark()
        await caller.say()
        summary = await caller.next(lambda r: r.turn_summary.heard_text != "", mark)
        assert summary.turn_summary.user_text.startswith(first.text + " ")
        resumed = next(s for s in caller.all("turn_summary", since) if s.outcome)
        assert (resumed.outcome, resumed.heard_text) == ("resumed", "")


async def test_typed_text_and_the_interrupt_button(tmp_path: Path) -> None:
    async with stack(tmp_path, llm={"fake_reply": "Hmm {user}. " + WORDS}) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="open sesame")))
        await until_speaking(caller, since)
        await caller.next(lambda r: r.HasField("audio") and r.audio.offset_ms >= 600, since)
        await caller.send(pb.ConverseRequest(interrupt=pb.InterruptAgent()))
        summary = await caller.kind("turn_summary", since)
        assert summary.user_text == "open sesame"
        assert summary.interrupted
        assert summary.heard_text.startswith("Hmm open")
        assert len(summary.heard_text) < len(summary.agent_text)
        await caller.state(LISTENING, caller.mark() - 2)


async def test_two_calls_do_not_notice_each_other(tmp_path: Path) -> None:
    async with (
        stack(tmp_path, llm={"fake_reply": "You said {user}."}) as parts,
        calling(parts.channel) as first,
        calling(parts.channel) as second,
    ):
        marks = first.mark(), second.mark()
        await first.send(pb.ConverseRequest(text_input=pb.TextInput(text="alpha")))
        await second.send(pb.ConverseRequest(text_input=pb.TextInput(text="beta")))
        assert (await first.kind("turn_summary", marks[0])).heard_text == "You said alpha."
        assert (await second.kind("turn_summary", marks[1])).heard_text == "You said beta."
