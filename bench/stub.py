"""The barest stages there can be, for the comparison with the pass-through figures: `python -m bench.stub`.

They speak the contracts and decide as the fake engines do (any sound is speech; a turn is over 40 ms after it), without
a servicer's checks, deadlines, timings and tasks. What is measured over them is orchestration and gRPC alone. Which
stage a process is, it tells by the port that the launcher gave it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc.aio
from pydantic_settings import SettingsConfigDict
from voice.asr.v1 import asr_pb2
from voice.llm.v1 import llm_pb2
from voice.tts.v1 import tts_pb2
from voice.turn.v1 import turn_pb2

from services.common.server import Rpc, main, register_rpcs
from services.common.settings import ServiceSettings
from services.common.wire import AUDIO_TAG
from services.orchestrator.stages.channels import METHODS

Requests = AsyncIterator[bytes]
CHUNK_MS = 20
CHUNK_BYTES = 640
"""20 ms at 16 kHz, what the load generator sends; its header takes three bytes."""
HEADER_BYTES = 3
TEXT = "hello there how are you"


async def _turn(requests: Requests, context: Any) -> None:
    first = turn_pb2.DetectRequest.FromString(await anext(aiter(requests)))
    assert first.HasField("config")
    write = context.write
    await write(turn_pb2.DetectResponse(ready=turn_pb2.TurnReady()).SerializeToString())
    at_ms = onset_ms = silent = 0
    speaking = False
    async for raw in requests:
        if not raw or raw[0] != AUDIO_TAG:
            continue
        for start in range(HEADER_BYTES, len(raw), CHUNK_BYTES + HEADER_BYTES):
            at_ms += CHUNK_MS
            if raw[start]:
                silent = 0
                if not speaking:
                    speaking, onset_ms = True, at_ms - CHUNK_MS
                    await write(_turn_event(at_ms, speech_started=turn_pb2.SpeechStarted(onset_ms=onset_ms)))
            elif speaking:
                silent += 1
                end_ms, length = at_ms - silent * CHUNK_MS, at_ms - silent * CHUNK_MS - onset_ms
                if silent == 1:
                    await write(_turn_event(at_ms, speech_stopped=turn_pb2.SpeechStopped(end_ms=end_ms)))
                    await write(_turn_event(at_ms, eager_end_of_turn=turn_pb2.EagerEndOfTurn(speech_end_ms=end_ms)))
                else:
                    speaking = False
                    over = turn_pb2.EndOfTurn(probability=1, speech_end_ms=end_ms, speech_ms=length)
                    await write(_turn_event(at_ms, end_of_turn=over))


def _turn_event(at_ms: int, **event: Any) -> bytes:
    return turn_pb2.DetectResponse(audio_offset_ms=at_ms, **event).SerializeToString()


async def _asr(requests: Requests, context: Any) -> None:
    epoch = 0
    async for raw in requests:
        request = asr_pb2.RecognizeRequest.FromString(raw)
        match request.WhichOneof("control"):
            case "config":
                await context.write(asr_pb2.RecognizeResponse(ready=asr_pb2.AsrReady()).SerializeToString())
            case "reset":
                epoch = request.reset.turn_epoch
            case "finalize":
                final = asr_pb2.Hypothesis(text=TEXT, is_final=True, finalize_id=request.finalize.finalize_id)
                await context.write(asr_pb2.RecognizeResponse(turn_epoch=epoch, hypothesis=final).SerializeToString())


async def _llm(requests: Requests, context: Any) -> None:
    config = llm_pb2.GenerateRequest.FromString(await anext(aiter(requests))).config
    text = llm_pb2.TextDelta(text=os.environ["PARLEY_LLM_FAKE_REPLY"])
    finished = llm_pb2.GenerationFinished(reason=llm_pb2.FINISH_REASON_STOP)
    for event in (
        llm_pb2.GenerateResponse(turn_epoch=config.turn_epoch, ready=llm_pb2.GenerationReady()),
        llm_pb2.GenerateResponse(turn_epoch=config.turn_epoch, text_delta=text),
        llm_pb2.GenerateResponse(turn_epoch=config.turn_epoch, finished=finished),
    ):
        await context.write(event.SerializeToString())


async def _tts(requests: Requests, context: Any) -> None:
    word_bytes = int(os.environ["PARLEY_TTS_FAKE_WORD_MS"]) * CHUNK_BYTES // CHUNK_MS
    async for raw in requests:
        request = tts_pb2.SynthesizeRequest.FromString(raw)
        match request.WhichOneof("request"):
            case "config":
                await context.write(tts_pb2.SynthesizeResponse(ready=tts_pb2.TtsReady()).SerializeToString())
            case "text":
                text = request.text
                pcm = b"\x10\x01" * (word_bytes * len(text.text.split()) // 2)
                for at in (0, CHUNK_BYTES):
                    audio = tts_pb2.SpeechAudio(
                        phrase_id=text.phrase_id,
                        pcm=pcm[at:] if at else pcm[:CHUNK_BYTES],
                        offset_ms=at * CHUNK_MS // CHUNK_BYTES,
                        is_last=at > 0,
                    )
                    response = tts_pb2.SynthesizeResponse(turn_epoch=text.turn_epoch, audio=audio)
                    await context.write(response.SerializeToString())


BEHAVIOURS: dict[str, Callable[[Requests, Any], Awaitable[None]]] = {
    "asr": _asr,
    "turn": _turn,
    "llm": _llm,
    "tts": _tts,
}
STAGE = next((stage for stage in BEHAVIOURS if f"PARLEY_{stage.upper()}_PORT" in os.environ), "asr")


class StubSettings(ServiceSettings):
    """Where to listen."""

    model_config = SettingsConfigDict(env_prefix=f"PARLEY_{STAGE.upper()}_", frozen=True, extra="ignore")


class Stub:
    """One stage."""

    name = STAGE

    def __init__(self, settings: StubSettings) -> None:
        self._grpc_name, self._method = METHODS[STAGE].removeprefix("/").split("/")
        self.grpc_names: Sequence[str] = (self._grpc_name,)

    def register(self, server: grpc.aio.Server) -> None:
        """Serve the stage's streaming RPC, bytes in and out."""
        register_rpcs(server, self._grpc_name, {self._method: Rpc(BEHAVIOURS[STAGE], None, None)})

    async def start(self) -> None:
        """Nothing to load."""

    async def drain(self) -> None:
        """Nothing to tell."""

    async def close(self) -> None:
        """Nothing to release."""


if __name__ == "__main__":
    main(Stub, StubSettings)
