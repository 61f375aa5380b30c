"""A call's voice over a synthesis service that breaks off: nothing is said twice, nothing is left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2

from services.common.audio import AudioFormat
from services.orchestrator.agent import Agent
from services.orchestrator.latency import ServerTiming
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.stream import StageError
from services.orchestrator.stages.tts import Speech, SpeechHooks, tts_config
from services.orchestrator.timeline import TimedWord
from services.orchestrator.wording.wording import SpokenPhrase, whole
from tests.integration.orchestrator_parts.raw_stage import DEADLINE_S, Line, RawStage

pytestmark = pytest.mark.integration

READY = tts_pb2.SynthesizeResponse(ready=tts_pb2.TtsReady(info=common_pb2.EngineInfo(engine="scripted")))


def audio(epoch: int, phrase_id: int, pcm: bytes, *, is_last: bool = False, attempt: int = 0) -> bytes:
    speech = tts_pb2.SpeechAudio(phrase_id=phrase_id, pcm=pcm, is_last=is_last)
    timing = common_pb2.ServerTiming(received_to_sent_us=70)
    response = tts_pb2.SynthesizeResponse(turn_epoch=epoch, attempt=attempt, audio=speech, timing=timing)
    return response.SerializeToString()


def words(epoch: int, phrase_id: int) -> bytes:
    timings = tts_pb2.WordTimings(phrase_id=phrase_id, words=[tts_pb2.SpokenWord(text="One", end_ms=90, char_end=3)])
    return tts_pb2.SynthesizeResponse(turn_epoch=epoch, words=timings).SerializeToString()


def said(text: str) -> SpokenPhrase:
    return whole(text, "en")


async def accept(line: Line) -> None:
    await line.read()
    await line.write(READY.SerializeToString())


async def phrase(line: Line) -> tts_pb2.SynthesizeText:
    return tts_pb2.SynthesizeRequest.FromString(await line.read()).text


@dataclass
class Heard:
    """What a call got of its voice."""

    audio: dict[tuple[int, int], bytearray] = field(default_factory=dict)
    whole: list[tuple[int, int]] = field(default_factory=list)
    words: list[tuple[int, int, list[TimedWord]]] = field(default_factory=list)
    engines: list[str] = field(default_factory=list)
    lost: list[StageError] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_audio(self, epoch: int, phrase_id: int, pcm: bytes, is_last: bool, timing: ServerTiming) -> None:
        assert timing.received_to_sent_us == 70
        self.audio.setdefault((epoch, phrase_id), bytearray()).extend(pcm)
        if is_last:
            self.whole.append((epoch, phrase_id))
        self.changed.set()

    async def until_whole(self, *phrases: tuple[int, int]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while self.whole != list(phrases):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def speaking(stage: RawStage) -> AsyncIterator[tuple[Speech, Heard]]:
    await stage.start()
    stages = Stages(OrchestratorSettings(tts_target=f"127.0.0.1:{stage.port}"))
    stages.open()
    heard = Heard()
    hooks = SpeechHooks(
        on_ready=lambda info: heard.engines.append(info.engine),
        on_audio=heard.on_audio,
        on_words=lambda epoch, phrase_id, timed: heard.words.append((epoch, phrase_id, timed)),
        on_lost=heard.lost.append,
        on_gave_up=heard.lost.append,
    )
    config = tts_config(Agent(name="desk", prompt="p"), AudioFormat(16000), "session-1")
    speech = Speech(stages, config, hooks, ready_ms=2_000, grace_ms=5_000)
    task = asyncio.create_task(speech.stream.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await speech.stream.is_up.wait()
        yield speech, heard
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=DEADLINE_S)
        await stages.close()
        await stage.kill()


async def test_phrases_become_audio_with_their_words() -> None:
    async def script(line: Line) -> None:
        await accept(line)
        for number in range(2):
            asked = await phrase(line)
            assert (asked.turn_epoch, asked.phrase_id) == (3, number)
            await line.write(words(3, number))
            await line.write(audio(3, number, asked.text.encode()[:2]))
            await line.write(audio(3, number, asked.text.encode()[2:], is_last=True))
        await line.listen()

    async with speaking(RawStage(script, "tts")) as (speech, heard):
        speech.speak(3, 0, said("One."))
        speech.speak(3, 1, said("Two."))
        await heard.until_whole((3, 0), (3, 1))
        assert heard.audio == {(3, 0): b"One.", (3, 1): b"Two."}
        assert heard.words[0] == (3, 0, [TimedWord(90, 3, 0)])
        assert heard.engines == ["scripted"]


async def test_a_stream_that_breaks_off_in_the_middle_of_a_phrase_goes_on_where_it_was() -> None:
    stage = RawStage(stage="tts")

    async def script(line: Line) -> None:
        await accept(line)
        if len(stage.lines) == 1:
            await phrase(line)
            await line.write(audio(1, 0, b"One.", is_last=True))
            await phrase(line)
            await line.write(audio(1, 1, b"Tw"))
            return  # and breaks off
        asked = [await phrase(line), await phrase(line)]
        assert [text.text for text in asked] == ["Two two.", "Three."]  # what was whole is not asked for again
        await line.write(audio(1, 1, b"Two "))  # in other pieces than before
        await line.write(audio(1, 1, b"two.", is_last=True))
        await line.write(audio(1, 2, b"Three.", is_last=True))
        await line.listen()

    stage.script = script
    async with speaking(stage) as (speech, heard):
        for number, text in enumerate(("One.", "Two two.", "Three.")):
            speech.speak(1, number, said(text))
        await heard.until_whole((1, 0), (1, 1), (1, 2))
        assert heard.audio == {(1, 0): b"One.", (1, 1): b"Two two.", (1, 2): b"Three."}
    assert len(heard.lost) == 1


async def test_nothing_of_a_cancelled_turn_is_told_and_the_service_hears_of_it() -> None:
    cancelled = asyncio.Event()

    async def script(line: Line) -> None:
        await accept(line)
        await phrase(line)
        await line.write(audio(1, 0, b"On"))
        while not tts_pb2.SynthesizeRequest.FromString(await line.read()).HasField("cancel"):
            pass
        cancelled.set()
        await line.write(audio(1, 0, b"e.", is_last=True))  # was on its way
        await line.write(words(1, 0))
        asked = await phrase(line)
        await line.write(audio(asked.turn_epoch, 0, b"Two.", is_last=True))
        await line.listen()

    async with speaking(RawStage(script, "tts")) as (speech, heard):
        speech.speak(1, 0, said("One."))
        async with asyncio.timeout(DEADLINE_S):
            await heard.changed.wait()
        speech.cancel(1)
        speech.cancel(1)
        async with asyncio.timeout(DEADLINE_S):
            await cancelled.wait()
        speech.speak(2, 0, said("Two."))
        await heard.until_whole((2, 0))
        assert heard.audio == {(1, 0): b"On", (2, 0): b"Two."}
        assert heard.words == []


async def test_nothing_of_a_cancelled_attempt_is_told_and_the_next_of_the_same_turn_is() -> None:
    async def script(line: Line) -> None:
        await accept(line)
        assert (await phrase(line)).attempt == 0
        cancel = tts_pb2.SynthesizeRequest.FromString(await line.read()).cancel
        assert (cancel.turn_epoch, cancel.attempt) == (1, 0)
        asked = await phrase(line)
        assert (asked.turn_epoch, asked.attempt, asked.text) == (1, 1, "Two.")
        await line.write(audio(1, 0, b"One.", is_last=True))  # was on its way
        await line.write(audio(1, 0, b"Two.", is_last=True, attempt=1))
        await line.listen()

    async with speaking(RawStage(script, "tts")) as (speech, heard):
        speech.speak(1, 0, said("One."))
        speech.cancel(1, 0)
        speech.speak(1, 0, said("Two."), attempt=1)
        await heard.until_whole((1, 0))
        assert heard.audio == {(1, 0): b"Two."}


async def test_rubbish_and_half_samples_are_not_played() -> None:
    stage = RawStage(stage="tts")

    async def script(line: Line) -> None:
        await accept(line)
        await phrase(line)
        match len(stage.lines):
            case 1:
                await line.write(audio(1, 0, b"odd"))
            case 2:
                await line.write(b"\xff\xff\xff")
            case _:
                await line.write(audio(1, 7, b"of nobody's phrase"))
                await line.write(audio(9, 0, b"of another turn."))
                await line.write(audio(1, 0, b"One.", is_last=True))
        await line.listen()

    stage.script = script
    async with speaking(stage) as (speech, heard):
        speech.speak(1, 0, said("One."))
        await heard.until_whole((1, 0))
        assert heard.audio == {(1, 0): b"One."}
