"""Fixed sentences are rendered once; a synthesis service that misbehaves meanwhile costs no call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from voice.tts.v1 import tts_pb2

from services.common.audio import AudioFormat
from services.orchestrator.agent import Agent
from services.orchestrator.canned import CannedSpeech
from services.orchestrator.events import Phrase
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.stages.channels import Stages
from tests.integration.orchestrator_parts.raw_stage import DEADLINE_S, Line, RawStage

pytestmark = pytest.mark.integration

AGENT = Agent(name="desk", prompt="Be brief.", greeting="Hello there.")
FORMAT = AudioFormat(16000)
VOICE = ("", "")
READY = tts_pb2.SynthesizeResponse(ready=tts_pb2.TtsReady()).SerializeToString()


def audio(phrase_id: int, pcm: bytes = b"ab", *, is_last: bool = True) -> bytes:
    speech = tts_pb2.SpeechAudio(phrase_id=phrase_id, pcm=pcm, is_last=is_last)
    return tts_pb2.SynthesizeResponse(turn_epoch=1, audio=speech).SerializeToString()


def words(phrase_id: int) -> bytes:
    timings = tts_pb2.WordTimings(phrase_id=phrase_id, words=[tts_pb2.SpokenWord(text="Hello", end_ms=9, char_end=5)])
    return tts_pb2.SynthesizeResponse(turn_epoch=1, words=timings).SerializeToString()


@asynccontextmanager
async def shelf(stage: RawStage) -> AsyncIterator[CannedSpeech]:
    await stage.start()
    stages = Stages(OrchestratorSettings(tts_target=f"127.0.0.1:{stage.port}"))
    stages.open()
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield CannedSpeech(stages)
    finally:
        await stages.close()
        await stage.kill()


async def rendering(line: Line) -> None:
    """Render every sentence in two pieces of its own bytes."""
    await line.read()
    await line.write(READY)
    while True:
        text = tts_pb2.SynthesizeRequest.FromString(await line.read()).text
        await line.write(words(text.phrase_id))
        await line.write(audio(text.phrase_id, text.text.encode()[:4], is_last=False))
        await line.write(audio(text.phrase_id, text.text.encode()[4:]))


async def test_every_sentence_is_on_the_shelf_and_rendered_once() -> None:
    stage = RawStage(rendering, "tts")
    async with shelf(stage) as canned:
        assert canned.get(AGENT, FORMAT, AGENT.phrase(Phrase.APOLOGY), VOICE) is None
        await asyncio.gather(*(canned.prepare(AGENT, FORMAT, VOICE) for _ in range(3)))
        await canned.prepare(AGENT, FORMAT, VOICE)
        assert {*(AGENT.phrase(phrase) for phrase in Phrase), *AGENT.waiting_words} == AGENT.sentences
        for text in AGENT.sentences:
            found = canned.get(AGENT, FORMAT, text, VOICE)
            assert found is not None
            assert found.pcm.decode() == found.text == text
            assert [word.char_end for word in found.words] == [5]
        assert canned.get(AGENT, AudioFormat(8000), AGENT.phrase(Phrase.APOLOGY), VOICE) is None
    assert len(stage.lines) == 1


@pytest.mark.parametrize("trouble", ["rubbish", "a phrase of nobody's", "words of nobody's", "fails", "ends"])
async def test_a_service_that_misbehaves_costs_no_call_and_is_asked_again(trouble: str) -> None:
    stage = RawStage(stage="tts")

    async def troubled_first(line: Line) -> None:
        if len(stage.lines) > 1:
            await rendering(line)
        await line.read()
        match trouble:
            case "rubbish":
                await line.write(b"\xff\xff\xff")
            case "a phrase of nobody's":
                await line.write(audio(4_000_000))
            case "words of nobody's":
                await line.write(words(4_000_000))
            case "fails":
                await line.fail(grpc.StatusCode.INTERNAL, "engine fault")
            case "ends":
                return
        await line.listen()

    stage.script = troubled_first
    async with shelf(stage) as canned:
        await canned.prepare(AGENT, FORMAT, VOICE)
        assert canned.get(AGENT, FORMAT, AGENT.phrase(Phrase.APOLOGY), VOICE) is None
        await canned.prepare(AGENT, FORMAT, VOICE)
        assert canned.get(AGENT, FORMAT, AGENT.phrase(Phrase.APOLOGY), VOICE) is not None
