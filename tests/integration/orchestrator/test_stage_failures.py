"""A stage that is down at the start, dies, hangs or sends rubbish: a spoken apology within bounds, and nothing lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.orchestrator.agent import Agent
from services.orchestrator.sentences import Sentences
from tests.support.caller import LISTENING, SILENCE, SPEAKING, SPEECH, Caller, calling, start_of
from tests.support.stack import AGENT, stack

pytestmark = pytest.mark.integration

APOLOGY = "Sorry, something went wrong."
QUICK = {
    "stage_ready_ms": 400,
    "stage_grace_ms": 600,
    "first_token_ms": 300,
    "next_token_ms": 300,
    "first_audio_ms": 300,
    "transcript_ms": 300,
    "reply_ms": 900,
    "health_interval_ms": 100,
    "health_deadline_ms": 200,
}


async def typed(caller: Caller, text: str = "hello") -> int:
    """Type a turn; return the index from which its responses count."""
    since = caller.mark()
    await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text=text)))
    return since


async def apology(caller: Caller, since: int) -> None:
    """Wait until an apology was heard, with audio."""
    said = await caller.next(lambda r: r.turn_summary.outcome == "apology", since)
    assert said.turn_summary.heard_text == APOLOGY
    epoch = said.turn_summary.turn_epoch
    assert any(frame.turn_epoch == epoch and frame.pcm for frame in caller.all("audio", since))
    await caller.next(lambda r: r.state_changed.state == LISTENING, caller.mark() - 3)


@pytest.mark.parametrize("stage", ["asr", "turn", "tts"])
async def test_a_stage_that_is_down_at_the_start_refuses_the_call_by_name(tmp_path: Path, stage: str) -> None:
    async with stack(tmp_path, orchestrator=QUICK) as parts:
        await parts.kill(stage)
        async with calling(parts.channel, greeted=False) as caller:
            await caller.over()
            assert caller.failure is not None
            assert caller.failure.code() is grpc.StatusCode.UNAVAILABLE
            assert stage in str(caller.failure.details())


@pytest.mark.parametrize(
    "llm",
    [
        {"fake_failure": "raise", "fake_fail_when": "fail"},
        {"fake_failure": "hang", "fake_fail_when": "fail"},
        {"fake_failure": "die", "fake_fail_when": "fail", "fake_words_per_delta": 1},
        {"fake_failure": "bad_tool_call", "fake_fail_when": "fail"},
    ],
)
async def test_a_model_that_fails_is_apologised_for_and_the_next_turn_is_answered(
    tmp_path: Path, llm: dict[str, Any]
) -> None:
    async with stack(tmp_path, orchestrator=QUICK, llm=llm) as parts, calling(parts.channel) as caller:
        since = await typed(caller, "please fail")
        error = await caller.kind("error", since)
        assert (error.code, error.stage) == (pb.ERROR_CODE_STAGE_FAILED, "llm")
        await apology(caller, since)
        since = await typed(caller, "hello")
        assert (await caller.kind("turn_summary", since)).outcome == ""


async def test_a_model_that_is_gone_comes_back(tmp_path: Path) -> None:
    async with stack(tmp_path, orchestrator=QUICK) as parts, calling(parts.channel) as caller:
        port = await parts.kill("llm")
        await apology(caller, await typed(caller))
        await parts.revive("llm", port)
        since = await typed(caller)
        assert (await caller.kind("turn_summary", since)).outcome == ""


async def test_a_model_that_stays_down_ends_the_call_cleanly(tmp_path: Path) -> None:
    async with stack(tmp_path, orchestrator=QUICK) as parts, calling(parts.channel) as caller:
        await parts.kill("llm")
        await apology(caller, await typed(caller))
        await apology(caller, await typed(caller))
        await typed(caller)
        await caller.over()
        assert caller.all("turn_summary")[-1].heard_text == "Goodbye now."
        assert caller.all("ended")[-1].reason == pb.END_REASON_STAGE_FAILED


async def test_synthesis_that_dies_while_speaking_goes_on_where_it_stopped(tmp_path: Path) -> None:
    words = " ".join(f"word{number}" for number in range(12)) + ". "
    slow = {"fake_real_time_factor": 0.5, "fake_chunk_ms": 200}
    async with (
        stack(tmp_path, orchestrator=QUICK | {"stage_grace_ms": 3000, "first_audio_ms": 3000}, tts=slow,
              llm={"fake_reply": words}) as parts,
        calling(parts.channel) as caller,
    ):  # fmt: skip
        since = await typed(caller)
        await caller.state(SPEAKING, since)
        port = await parts.kill("tts")
        await parts.revive("tts", port)
        summary = await caller.kind("turn_summary", since)
        assert summary.outcome == ""
        assert summary.heard_text == words.strip()
        frames = [frame for frame in caller.all("audio", since) if frame.turn_epoch == summary.turn_epoch]
        assert sum(len(frame.pcm) for frame in frames) == 12 * 200 * 32  # nothing twice, nothing lost


@pytest.mark.parametrize("failure", ["raise", "hang", "die", "odd_bytes"])
async def test_synthesis_that_fails_is_apologised_for_from_the_shelf(tmp_path: Path, failure: str) -> None:
    kept = len(Agent.model_validate(yaml.safe_load(AGENT)).sentences)
    broken = {"fake_failure": failure, "fake_failure_after": 1 + kept}  # the greeting, and all on the shelf
    async with stack(tmp_path, orchestrator=QUICK, tts=broken) as parts, calling(parts.channel) as caller:
        since = await typed(caller)
        said = await caller.next(lambda r: r.turn_summary.outcome in ("apology", "goodbye"), since)
        assert said.turn_summary.heard_text in (APOLOGY, "Goodbye now.")


async def test_a_recogniser_that_hangs_is_apologised_for(tmp_path: Path) -> None:
    hanging = {"fake_failure": "hang", "fake_partials": False}
    async with stack(tmp_path, orchestrator=QUICK, asr=hanging) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        await caller.say()
        await apology(caller, since)


async def test_the_last_guess_stands_in_for_a_final_that_does_not_come(tmp_path: Path) -> None:
    async with (
        stack(tmp_path, orchestrator=QUICK, asr={"fake_failure": "hang"}) as parts,
        calling(parts.channel) as caller,
    ):
        since = caller.mark()
        await caller.say(frames=25)
        summary = await caller.next(lambda r: r.turn_summary.user_text != "", since)
        assert summary.turn_summary.user_text == "hello world"
        assert summary.turn_summary.outcome == ""


async def test_a_recogniser_that_dies_in_the_middle_of_a_turn_loses_nothing(tmp_path: Path) -> None:
    patient = QUICK | {"stage_grace_ms": 5000, "transcript_ms": 5000}
    async with (
        stack(tmp_path, orchestrator=patient, llm={"fake_reply": "You said {user}."}) as parts,
        calling(parts.channel) as caller,
    ):
        since = caller.mark()
        await caller.audio(SPEECH, 20)
        await caller.state(LISTENING, since)
        port = await parts.kill("asr")
        await caller.audio(SPEECH, 10)
        await parts.revive("asr", port)
        await caller.audio(SILENCE, 10)
        summary = await caller.next(lambda r: r.turn_summary.user_text != "", since)
        assert summary.turn_summary.outcome == ""


async def test_a_turn_detector_that_dies_in_the_middle_of_a_turn_loses_nothing(tmp_path: Path) -> None:
    patient = QUICK | {"stage_grace_ms": 5000}
    async with stack(tmp_path, orchestrator=patient) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        await caller.audio(SPEECH, 20)
        await caller.state(LISTENING, since)
        port = await parts.kill("turn")
        await caller.kind("error", since)
        await parts.revive("turn", port)
        await caller.audio(SILENCE, 10)
        summary = await caller.next(lambda r: r.turn_summary.user_text != "", since)
        assert summary.turn_summary.outcome == ""


async def test_a_turn_detector_that_stays_down_ends_the_call_with_a_goodbye(tmp_path: Path) -> None:
    settings = QUICK | {"stage_ready_ms": 3000}
    async with stack(tmp_path, orchestrator=settings) as parts, calling(parts.channel) as caller:
        session_id = caller.all("started")[0].session_id
        port = await parts.kill("turn")
        await caller.over()
        assert caller.all("turn_summary")[-1].heard_text == "Goodbye now."
        assert caller.all("ended")[-1].reason == pb.END_REASON_STAGE_FAILED
        assert any(error.is_fatal and error.stage == "turn" for error in caller.all("error"))
        await parts.revive("turn", port)
        async with calling(parts.channel, start_of(session_id=session_id), greeted=False) as again:
            assert (await again.kind("started")).resumed


@pytest.mark.parametrize("failure", ["die", "rubbish"])
async def test_a_turn_detector_that_fails_does_not_hang_the_call(tmp_path: Path, failure: str) -> None:
    broken = {"fake_failure": failure, "fake_failure_after_ms": 300}
    async with stack(tmp_path, orchestrator=QUICK, turn=broken) as parts, calling(parts.channel) as caller:
        await caller.audio(SPEECH, 30)
        error = await caller.kind("error")
        assert error.stage == "turn"


async def test_a_fault_of_ours_in_a_fixed_sentence_does_not_end_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        monkeypatch.undo()
        raise KeyError("of ours")

    monkeypatch.setattr(Sentences, "say", broken)
    async with stack(tmp_path, orchestrator=QUICK) as parts, calling(parts.channel, greeted=False) as caller:
        assert (await caller.kind("error")).stage == "orchestrator"
        assert (await caller.kind("turn_summary")).outcome == "failed: orchestrator"
        since = await typed(caller, "hello")
        assert (await caller.kind("turn_summary", since)).outcome == ""
