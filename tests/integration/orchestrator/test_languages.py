"""Calls in several languages over real gRPC: what is heard, answered, spoken and told, turn by turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.orchestrator.default_sentences import DEFAULT_SENTENCES
from services.tts.engine import SpeakerConfig
from tests.integration.orchestrator.speculating import Watched, end_the_turn, speak_up_to_the_eager_end, watched
from tests.support.caller import LISTENING, SILENCE, SPEAKING, SPEECH, Caller, calling, start_of
from tests.support.stack import AGENT, Stack, stack

pytestmark = pytest.mark.integration

SEVERAL = f"""{AGENT}
language: en-US
llm: {{model: english}}
languages:
  - tag: es-ES
    greeting: Hola.
    prompt: Eres una prueba.
    voice: {{speed: 1.5}}
    llm: {{model: español}}
    phrases: {{goodbye: Hasta luego.}}
  - tag: de-DE
"""
QUICK = {"fake_end_of_turn_ms": 100}
MODEL = {"fake_reply": "It is {user}."}
HEARS = {
    "fake_texts": ("good morning", "buenos días", "qué tal", "guten tag"),
    "fake_languages": ("en", "es", "es-ES", "de-DE"),
}


def voices(stack: Stack) -> list[tuple[SpeakerConfig, str]]:
    """Return how synthesis was asked to speak, and the texts, the newest last."""
    service: Any = stack.servers["tts"]._service
    return list(service.engine.latest)


def voice(stack: Stack, text: str) -> tuple[str, float]:
    """Return the language and speed in which a phrase was last spoken."""
    config = next(config for config, spoken in reversed(voices(stack)) if spoken == text)
    return config.language, config.speed


def asked(engines: Watched) -> tuple[str, str, str]:
    """Return model, language and the beginning of the prompt of the newest question to the language model."""
    request = engines.asked[-1]
    return request.model, request.language, request.messages[0].content.partition(".")[0]


async def turn(caller: Caller) -> pb.TurnSummary:
    """Speak a turn and hear it answered."""
    since = caller.mark()
    await caller.say()
    summary: pb.TurnSummary = await caller.kind("turn_summary", since)
    await caller.state(LISTENING, since + 1)
    return summary


async def typed(caller: Caller, text: str, language: str = "") -> pb.TurnSummary:
    """Type a turn and hear it answered."""
    since = caller.mark()
    await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text=text, language=language)))
    summary: pb.TurnSummary = await caller.kind("turn_summary", since)
    await caller.state(LISTENING, since + 1)
    return summary


async def test_each_turn_is_answered_in_the_language_that_it_was_heard_in(tmp_path: Path) -> None:
    async with watched(tmp_path, agent=SEVERAL, llm=MODEL, asr=HEARS, turn=QUICK) as (engines, caller):
        started = caller.all("started")[0]
        assert (started.language, list(started.heard_languages)) == ("en-US", ["en-US", "es-ES", "de-DE"])
        summaries, questions, spoken = [], [], []
        for _ in range(4):
            summaries.append(await turn(caller))
            questions.append(asked(engines))
            spoken.append(voice(engines.stack, summaries[-1].agent_text))
        assert [summary.language for summary in summaries] == ["en-US", "es-ES", "es-ES", "de-DE"]
        assert [summary.user_text for summary in summaries] == list(HEARS["fake_texts"])
        assert questions == [
            ("english", "en-US", "You are a test"),
            ("español", "es-ES", "Eres una prueba"),
            ("español", "es-ES", "Eres una prueba"),
            ("english", "de-DE", "You are a test"),
        ]
        assert spoken == [("en-US", 1.0), ("es-ES", 1.5), ("es-ES", 1.5), ("de-DE", 1.0)]
        told = {(t.speaker, t.language) for t in caller.all("transcript") if t.is_final}
        assert told == {
            (speaker, tag) for speaker in (pb.SPEAKER_USER, pb.SPEAKER_AGENT) for tag in ("en-US", "es-ES", "de-DE")
        }


async def test_a_guess_is_made_in_the_language_that_is_heard_and_one_in_another_is_made_anew(tmp_path: Path) -> None:
    hears = {"fake_texts": ("qué tal",), "fake_languages": ("es-ES",)}
    async with watched(tmp_path, agent=SEVERAL, llm=MODEL, asr=hears) as (engines, caller):
        since = caller.mark()
        await speak_up_to_the_eager_end(caller)
        await engines.until(lambda: "It is qué tal." in engines.rendered)
        assert engines.asked[-1].speculative
        assert asked(engines) == ("español", "es-ES", "Eres una prueba")
        await end_the_turn(caller)
        summary = await caller.kind("turn_summary", since)
        assert (summary.speculated, summary.language) == (True, "es-ES")
        assert voice(engines.stack, "It is qué tal.") == ("es-ES", 1.5)


async def test_an_answer_keeps_its_language_whatever_is_heard_over_it(tmp_path: Path) -> None:
    hears = {"fake_texts": ("qué tal", "okay"), "fake_languages": ("es-ES", "en-US"), "fake_word_ms": 20}
    long = {"fake_reply": " ".join(f"uno dos tres cuatro {number}." for number in range(20))}
    async with watched(tmp_path, agent=SEVERAL, llm=long, asr=hears, turn=QUICK) as (engines, caller):
        since = caller.mark()
        await caller.say()
        await caller.state(SPEAKING, since)
        await caller.audio(SPEECH, 8)
        await caller.kind("pause_playback", since)
        await caller.audio(SILENCE, 30)
        await caller.kind("resume_playback", since)
        await caller.send(pb.ConverseRequest(interrupt=pb.InterruptAgent()))
        summary = await caller.kind("turn_summary", since)
        assert summary.language == "es-ES"
        said = [config.language for config, text in voices(engines.stack) if text.startswith("uno")]
        assert set(said) == {"es-ES"}
        assert (await typed(caller, "y ahora")).language == "es-ES"


async def test_a_recogniser_that_tells_no_languages_apart_hears_the_first(tmp_path: Path) -> None:
    async with stack(tmp_path, agent=SEVERAL, llm=MODEL) as parts, calling(parts.channel) as caller:
        assert not caller.all("started")[0].heard_languages
        assert (await turn(caller)).language == "en-US"
        assert (await typed(caller, "hola", "es-ES")).language == "es-ES"


async def test_typed_text_switches_the_call(tmp_path: Path) -> None:
    async with watched(tmp_path, agent=SEVERAL, llm=MODEL, turn=QUICK) as (engines, caller):
        for language, answered in (("", "en-US"), ("es", "es-ES"), ("", "es-ES"), ("de", "de-DE")):
            assert (await typed(caller, "hola", language)).language == answered
            assert asked(engines)[1] == answered
        since = caller.mark()
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="ciao", language="it-IT")))
        error = await caller.kind("error", since)
        assert error.code == pb.ERROR_CODE_INVALID_INPUT
        assert "en-US, es-ES, de-DE" in error.message
        assert (await typed(caller, "hallo")).language == "de-DE"


async def test_fixed_sentences_are_said_in_the_language_of_the_call(tmp_path: Path) -> None:
    failing = {"fake_failure": "raise", "fake_fail_when": "falla"}
    async with stack(tmp_path, agent=SEVERAL, llm=failing) as parts, calling(parts.channel) as caller:
        since = caller.mark()
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="falla", language="es-ES")))
        apology = await caller.next(lambda r: r.turn_summary.outcome == "apology", since)
        assert apology.turn_summary.agent_text == DEFAULT_SENTENCES["es"]["apology"]
        assert apology.turn_summary.language == "es-ES"


async def test_a_call_may_begin_in_another_language(tmp_path: Path) -> None:
    async with stack(tmp_path, agent=SEVERAL, llm=MODEL) as parts:
        async with calling(parts.channel, start_of(language="es-MX")) as caller:
            assert caller.all("started")[0].language == "es-ES"
            assert caller.all("turn_summary")[0].agent_text == "Hola."
            assert (await typed(caller, "hola")).language == "es-ES"
        async with calling(parts.channel, start_of(language="it"), greeted=False) as caller:
            await caller.over()
            assert caller.failure is not None
            assert caller.failure.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "en-US, es-ES, de-DE" in (caller.failure.details() or "")


async def test_a_session_goes_on_in_the_language_it_was_left_in(tmp_path: Path) -> None:
    async with stack(tmp_path, agent=SEVERAL, llm=MODEL) as parts:
        async with calling(parts.channel) as caller:
            session_id = caller.all("started")[0].session_id
            await typed(caller, "guten tag", "de")
        resumed = start_of("", session_id=session_id)
        async with calling(parts.channel, resumed, greeted=False) as caller:
            assert (await caller.kind("started")).language == "de-DE"
            assert (await typed(caller, "und noch etwas")).language == "de-DE"


async def test_agents_tell_their_languages(tmp_path: Path) -> None:
    async with stack(tmp_path, agent=SEVERAL) as parts:
        method = "/voice.orchestrator.v1.VoiceAgent/ListAgents"
        ask: Any = parts.channel.unary_unary(
            method, pb.ListAgentsRequest.SerializeToString, pb.ListAgentsResponse.FromString
        )
        listed = (await ask(pb.ListAgentsRequest())).agents[0]
        assert (listed.language, list(listed.languages)) == ("en-US", ["en-US", "es-ES", "de-DE"])
