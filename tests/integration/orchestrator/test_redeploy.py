"""A stage is replaced by another server while a call goes on: nothing fails, nothing is lost, the next turn is new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.server import Server
from tests.support.caller import SILENCE, SPEECH, Caller, calling
from tests.support.stack import SERVICES, Stack, stack

pytestmark = pytest.mark.integration

PATIENT = {"drain_grace_ms": 8000}
AGAIN = "Hello again."


@asynccontextmanager
async def successor(parts: Stack, stage: str, **settings: Any) -> AsyncIterator[Server]:
    """Run a second server of `stage` on the port that the orchestrator knows as its other address."""
    service, settings_class = SERVICES[stage]
    place = {"host": "127.0.0.1", "port": parts.spare_ports[stage], "reuse_port": True}
    made = settings_class(**place | {"engine": "fake"} | settings)
    server = Server(service(made), made)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def typed(caller: Caller, text: str) -> pb.TurnSummary:
    """Type a turn; return its summary once it was heard."""
    since = caller.mark()
    await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text=text)))
    summary: pb.TurnSummary = await caller.kind("turn_summary", since)
    return summary


async def said(caller: Caller) -> pb.TurnSummary:
    """Speak a turn; return its summary once its answer was heard."""
    since = caller.mark()
    await caller.say()
    answered = await caller.next(lambda r: r.turn_summary.user_text != "", since)
    return answered.turn_summary


async def test_the_model_is_replaced_between_two_turns(tmp_path: Path) -> None:
    async with (
        stack(tmp_path, has_spares=True, llm=PATIENT | {"fake_reply": "One."}) as parts,
        calling(parts.channel) as caller,
    ):
        assert (await typed(caller, "hello")).agent_text == "One."
        async with successor(parts, "llm", fake_reply="Two."):
            await parts.servers["llm"].stop()
            assert (await typed(caller, "hello")).agent_text == "Two."
        assert not caller.all("error")


async def test_an_answer_in_progress_is_finished_by_the_model_that_began_it(tmp_path: Path) -> None:
    words = "one two. three four five six."
    slow = {"fake_reply": words, "fake_words_per_delta": 1, "fake_delta_delay_ms": 30}
    async with (
        stack(tmp_path, has_spares=True, llm=PATIENT | slow) as parts,
        calling(parts.channel) as caller,
    ):
        since = caller.mark()
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="hello")))
        await caller.kind("transcript", since)  # the first sentence
        async with successor(parts, "llm", fake_reply="Two."):
            await parts.servers["llm"].stop()
            assert (await caller.kind("turn_summary", since)).heard_text == words
            assert (await typed(caller, "hello")).agent_text == "Two."
        assert not caller.all("error")


async def test_synthesis_is_replaced_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    words = " ".join(f"word{number}" for number in range(12)) + "."
    slow = PATIENT | {"fake_real_time_factor": 0.2, "fake_chunk_ms": 200}
    async with (
        stack(tmp_path, has_spares=True, tts=slow, llm={"fake_reply": words}) as parts,
        calling(parts.channel) as caller,
    ):
        since = caller.mark()
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="hello")))
        await caller.state(pb.CONVERSATION_STATE_SPEAKING, since)
        async with successor(parts, "tts", fake_word_ms=100):
            await parts.servers["tts"].stop()
            summary = await caller.kind("turn_summary", since)
            assert summary.heard_text == words
            assert heard_ms(caller, summary.turn_epoch) == 12 * 200
            summary = await typed(caller, "hello")
            assert heard_ms(caller, summary.turn_epoch) == 12 * 100
        assert not caller.all("error")


def heard_ms(caller: Caller, epoch: int) -> int:
    """Return how much audio of a turn was sent."""
    return sum(len(frame.pcm) for frame in caller.all("audio") if frame.turn_epoch == epoch) // 32


async def test_fixed_sentences_are_said_in_the_voice_that_replaced_the_other(tmp_path: Path) -> None:
    async with (
        stack(tmp_path, has_spares=True, tts=PATIENT | {"voice": "first"}) as parts,
        calling(parts.channel) as caller,
    ):
        first_ms = heard_ms(caller, caller.all("turn_summary")[0].turn_epoch)
        async with successor(parts, "tts", voice="second", fake_word_ms=100):
            await parts.servers["tts"].stop()
            await typed(caller, "hello")
            async with calling(parts.channel) as another:
                assert heard_ms(another, another.all("turn_summary")[0].turn_epoch) == first_ms / 2


async def test_the_recogniser_is_replaced_between_two_utterances(tmp_path: Path) -> None:
    async with (
        stack(tmp_path, has_spares=True, asr=PATIENT | {"fake_texts": ["hello"]}) as parts,
        calling(parts.channel) as caller,
    ):
        assert (await said(caller)).user_text == "hello"
        async with successor(parts, "asr", fake_texts=["goodbye"]):
            await parts.servers["asr"].stop()
            assert (await said(caller)).user_text == "goodbye"
        assert not caller.all("error")


async def test_an_utterance_is_finished_by_the_recogniser_that_began_it(tmp_path: Path) -> None:
    async with (
        stack(tmp_path, has_spares=True, asr=PATIENT | {"fake_texts": ["hello"], "fake_word_ms": 40}) as parts,
        calling(parts.channel) as caller,
    ):
        since = caller.mark()
        await caller.audio(SPEECH, 20)
        await caller.kind("transcript", since)
        async with successor(parts, "asr", fake_texts=["goodbye"]):
            stopping = asyncio.create_task(parts.servers["asr"].stop())
            await caller.audio(SPEECH, 5)
            await caller.audio(SILENCE, 10)
            answered = await caller.next(lambda r: r.turn_summary.user_text != "", since)
            assert answered.turn_summary.user_text == "hello"
            await stopping
            assert (await said(caller)).user_text == "goodbye"
        assert not caller.all("error")


async def test_the_turn_detector_is_replaced_and_hears_what_was_said_meanwhile(tmp_path: Path) -> None:
    async with stack(tmp_path, has_spares=True, turn=PATIENT) as parts, calling(parts.channel) as caller:
        await said(caller)
        since = caller.mark()
        await parts.servers["turn"].stop()
        await caller.audio(SPEECH, 20)
        async with successor(parts, "turn"):
            await caller.audio(SILENCE, 10)
            answered = await caller.next(lambda r: r.turn_summary.user_text != "", since)
        assert answered.turn_summary.outcome == ""


async def test_a_turn_in_progress_is_ended_by_the_detector_that_began_it(tmp_path: Path) -> None:
    async with stack(tmp_path, has_spares=True, turn=PATIENT) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        await caller.audio(SPEECH, 20)
        await caller.kind("transcript", since)
        async with successor(parts, "turn"):
            stopping = asyncio.create_task(parts.servers["turn"].stop())
            await caller.audio(SILENCE, 10)
            await caller.next(lambda r: r.turn_summary.user_text != "", since)
            await stopping
            await said(caller)
        assert not caller.all("error")


async def test_an_apology_is_heard_in_the_old_voice_where_the_new_one_cannot_speak(tmp_path: Path) -> None:
    async with (
        stack(tmp_path, has_spares=True, tts=PATIENT | {"voice": "first"}) as parts,
        calling(parts.channel) as caller,
        successor(parts, "tts", voice="second", fake_failure="raise"),
    ):
        await parts.servers["tts"].stop()
        since = caller.mark()
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="hello")))
        said = await caller.next(lambda r: r.turn_summary.outcome in ("apology", "goodbye"), since)
        assert heard_ms(caller, said.turn_summary.turn_epoch) > 0
        assert said.turn_summary.heard_text in ("Sorry, something went wrong.", "Goodbye now.")
