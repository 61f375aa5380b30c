"""Fixed sentences as audio, made once for each voice: an apology must be heard even when synthesis is what failed.

A voice is what the agent asks for and the engine that answers: after synthesis was redeployed with another one, the
sentences are made anew.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc.aio
from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2

from services.common.audio import AudioFormat
from services.orchestrator.agent import Agent
from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.stream import failure_of
from services.orchestrator.stages.tts import text_message, tts_config
from services.orchestrator.timeline import TimedWord
from services.orchestrator.wording.wording import SpokenPhrase, whole

log = logging.getLogger(__name__)

DEADLINE_S = 10.0
MAX_KEPT = 512


Engine: TypeAlias = tuple[str, str]
"""Name and model of a synthesis engine, as its EngineInfo tells."""


def engine_of(info: common_pb2.EngineInfo) -> Engine:
    """Return what tells one voice from another."""
    return info.engine, info.model


@dataclass(frozen=True, slots=True)
class Canned:
    """A fixed sentence, ready to play."""

    text: str
    pcm: bytes
    words: tuple[TimedWord, ...]


class CannedSpeech:
    """Audio of the agents' fixed sentences, kept for as long as the process lives."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._kept: dict[tuple[Engine, bytes, str], Canned] = {}
        self._rendering: dict[tuple[Engine, bytes, tuple[str, ...]], asyncio.Task[None]] = {}

    def get(self, agent: Agent, audio_format: AudioFormat, text: str, engine: Engine) -> Canned | None:
        """Return a sentence's audio in the voice of `engine` if it is at hand."""
        return self._kept.get((engine, tts_config(agent, audio_format, ""), text))

    def spare(self, agent: Agent, audio_format: AudioFormat, text: str) -> Canned | None:
        """Return a sentence's audio in the newest voice that ever made it, if any did."""
        wanted = (tts_config(agent, audio_format, ""), text)
        return next((kept for (_, *made), kept in reversed(self._kept.items()) if tuple(made) == wanted), None)

    async def prepare(self, agent: Agent, audio_format: AudioFormat, engine: Engine) -> None:
        """Render what is missing of an agent's sentences; a failure is logged, and the next call tries again."""
        config = tts_config(agent, audio_format, "")
        missing = sorted(text for text in agent.sentences if (engine, config, text) not in self._kept)
        if not missing:
            return
        wanted = (engine, config, tuple(missing))
        if wanted not in self._rendering:
            phrases = [whole(text, agent.language_tag) for text in missing]
            task = asyncio.create_task(self._render(config, missing, phrases), name="canned-speech")
            self._rendering[wanted] = task
            task.add_done_callback(lambda _: self._rendering.pop(wanted, None))
        await asyncio.shield(self._rendering[wanted])

    async def _render(self, config: bytes, texts: list[str], phrases: list[SpokenPhrase]) -> None:
        call: Any = self._stages.call("tts", is_traced=False)  # for all calls
        try:
            async with asyncio.timeout(DEADLINE_S):
                await call.write(config)
                for number, phrase in enumerate(phrases):
                    message = text_message(phrase, 1, number)
                    await call.write(tts_pb2.SynthesizeRequest(text=message).SerializeToString())
                await self._collect(call, config, texts)
        except Exception as error:  # rubbish included: what goes wrong here must cost no call
            log.warning("fixed sentences not rendered", extra={"error": type(error).__name__})
        finally:
            call.cancel()

    async def _collect(self, call: Any, config: bytes, texts: list[str]) -> None:
        audio = [bytearray() for _ in texts]
        words: list[tuple[TimedWord, ...]] = [() for _ in texts]
        done = 0
        engine: Engine = ("", "")
        while done < len(texts):
            raw = await call.read()
            if raw is grpc.aio.EOF:
                raise await failure_of(call, "tts")
            response = tts_pb2.SynthesizeResponse.FromString(raw)
            if response.HasField("ready"):
                engine = engine_of(response.ready.info)
            if response.HasField("words"):
                words[response.words.phrase_id] = tuple(
                    TimedWord(word.end_ms, word.char_end, word.start_ms) for word in response.words.words
                )
            if response.HasField("audio"):
                number = response.audio.phrase_id
                audio[number] += response.audio.pcm
                if response.audio.is_last:
                    done += 1
                    self._keep(engine, config, Canned(texts[number], bytes(audio[number]), words[number]))

    def _keep(self, engine: Engine, config: bytes, canned: Canned) -> None:
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[engine, config, canned.text] = canned
