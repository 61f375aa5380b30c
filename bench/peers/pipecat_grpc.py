# mypy: ignore-errors
# pipecat-ai is not in the environment that types are checked in: it has one of its own (bench/peers/venvs.py).
"""Pipecat's processors over Parley's stages: what somebody would write who has the services and keeps Pipecat.

One channel a stage a process; one stream a call to recogniser, turn detector and synthesis, one a reply to the model.
Frames of 20 ms go to the recogniser as they come, one a message, and to the turn detector as soon as they complete one
of its 32 ms frames, as Parley's orchestrator sends them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import grpc.aio
from pipecat.frames.frames import (
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import STTService
from pipecat.utils.time import time_now_iso8601
from voice.asr.v1 import asr_pb2
from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2
from voice.tts.v1 import tts_pb2
from voice.turn.v1 import turn_pb2

from bench.peers.on_pipecat import Model, Voice
from bench.peers.plan import BYTES_A_MS, DETECTOR_FRAME_MS, METHODS, RATE_HZ

FORMAT = common_pb2.AudioFormat(sample_rate_hz=RATE_HZ, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)


def stages(targets: str):
    """Return what makes a call's recogniser, model and synthesis, from the services' addresses as JSON."""
    places = json.loads(targets)
    methods = {stage: grpc.aio.insecure_channel(places[stage]).stream_stream(name) for stage, name in METHODS.items()}
    return (lambda: Recogniser(methods), lambda: RemoteModel(methods), lambda: RemoteVoice(methods))


class Recogniser(STTService):
    """Recogniser and turn detector, which propose turns as one service."""

    def __init__(self, methods: Mapping[str, object]) -> None:
        super().__init__(settings=STTSettings(model="parley", language=None))
        self._methods = methods
        self._asr = self._turn = None
        self._asr_writes = asyncio.Lock()
        self._epoch = 1
        self._finalizing = 0
        self._final = asyncio.Event()
        self._text = ""
        self._at_ms = 0
        self._unheard = []
        self._reading = []

    @property
    def supports_ttfs(self) -> bool:
        """Say that it decides about turns itself."""
        return False

    async def setup(self, setup) -> None:
        """Open both streams."""
        await super().setup(setup)
        self._asr, self._turn = self._methods["asr"](), self._methods["turn"]()
        asr_config = asr_pb2.RecognizeConfig(format=FORMAT, turn_epoch=self._epoch)
        turn_config = turn_pb2.DetectConfig(format=FORMAT, turn_epoch=self._epoch)
        await self._asr.write(asr_pb2.RecognizeRequest(config=asr_config).SerializeToString())
        await self._turn.write(turn_pb2.DetectRequest(config=turn_config).SerializeToString())
        await self._asr.read()
        await self._turn.read()
        self._reading = [self.create_task(self._read_turns()), self.create_task(self._read_text())]

    async def cleanup(self) -> None:
        """Let go of both."""
        await super().cleanup()
        for task in self._reading:
            await self.cancel_task(task)
        for stream in (self._asr, self._turn):
            if stream is not None:
                stream.cancel()

    async def run_stt(self, audio: bytes):
        """Pass a frame on."""
        await self._tell_asr(audio=[audio])
        self._unheard.append(audio)
        before_ms, self._at_ms = self._at_ms, self._at_ms + len(audio) // BYTES_A_MS
        if self._at_ms // DETECTOR_FRAME_MS != before_ms // DETECTOR_FRAME_MS:
            heard, self._unheard = self._unheard, []
            await self._turn.write(turn_pb2.DetectRequest(audio=heard).SerializeToString())
        yield None

    async def _tell_asr(self, **what) -> None:
        async with self._asr_writes:  # a stream takes one write at a time
            await self._asr.write(asr_pb2.RecognizeRequest(**what).SerializeToString())

    async def _read_turns(self) -> None:
        while (raw := await self._turn.read()) is not grpc.aio.EOF:
            match turn_pb2.DetectResponse.FromString(raw).WhichOneof("event"):
                case "speech_started":
                    self._epoch += 1
                    await self._tell_asr(reset=asr_pb2.ResetUtterance(turn_epoch=self._epoch))
                    await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
                case "eager_end_of_turn":
                    self._finalizing += 1
                    self._final.clear()
                    await self._tell_asr(finalize=asr_pb2.FinalizeUtterance(finalize_id=self._finalizing))
                case "end_of_turn":
                    await self._final.wait()
                    await self.push_frame(TranscriptionFrame(self._text, "caller", time_now_iso8601(), finalized=True))
                    await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)

    async def _read_text(self) -> None:
        while (raw := await self._asr.read()) is not grpc.aio.EOF:
            heard = asr_pb2.RecognizeResponse.FromString(raw).hypothesis
            if heard.is_final:
                self._text = heard.text
                self._final.set()
            elif heard.text:
                await self.push_frame(InterimTranscriptionFrame(heard.text, "caller", time_now_iso8601()))


class RemoteModel(Model):
    """The language model."""

    def __init__(self, methods: Mapping[str, object]) -> None:
        super().__init__()
        self._method = methods["llm"]

    async def say(self, context: LLMContext) -> None:
        """Ask for a reply and push it."""
        call = self._method()
        roles = {"system": llm_pb2.CHAT_ROLE_SYSTEM, "assistant": llm_pb2.CHAT_ROLE_ASSISTANT}
        messages = [
            llm_pb2.ChatMessage(role=roles.get(said["role"], llm_pb2.CHAT_ROLE_USER), content=str(said["content"]))
            for said in context.messages
        ]
        try:
            config = llm_pb2.GenerateConfig(turn_epoch=1, messages=messages)
            await call.write(llm_pb2.GenerateRequest(config=config).SerializeToString())
            while (raw := await call.read()) is not grpc.aio.EOF:
                response = llm_pb2.GenerateResponse.FromString(raw)
                if response.HasField("text_delta"):
                    await self._push_llm_text(response.text_delta.text)
                elif response.HasField("finished"):
                    break
        finally:
            call.cancel()


class RemoteVoice(Voice):
    """Synthesis."""

    def __init__(self, methods: Mapping[str, object]) -> None:
        super().__init__()
        self._method = methods["tts"]
        self._stream = None
        self._epoch = 0

    async def setup(self, setup) -> None:
        """Open the stream."""
        await super().setup(setup)
        self._stream = self._method()
        config = tts_pb2.SynthesizeConfig(format=FORMAT)
        await self._stream.write(tts_pb2.SynthesizeRequest(config=config).SerializeToString())
        await self._stream.read()

    async def cleanup(self) -> None:
        """Let go of it."""
        await super().cleanup()
        if self._stream is not None:
            self._stream.cancel()

    async def run_tts(self, text: str, context_id: str):
        """Speak a sentence; one that is not heard to its end is cancelled."""
        self._epoch += 1
        epoch, is_whole = self._epoch, False
        phrase = tts_pb2.SynthesizeText(turn_epoch=epoch, text=text)
        await self._stream.write(tts_pb2.SynthesizeRequest(text=phrase).SerializeToString())
        try:
            while not is_whole and (raw := await self._stream.read()) is not grpc.aio.EOF:
                response = tts_pb2.SynthesizeResponse.FromString(raw)
                if response.turn_epoch != epoch:
                    continue
                is_whole = response.audio.is_last
                if response.audio.pcm:
                    yield TTSAudioRawFrame(response.audio.pcm, RATE_HZ, 1, context_id=context_id)
        finally:
            if not is_whole:
                cancel = tts_pb2.CancelSpeech(turn_epoch=epoch)
                await self._stream.write(tts_pb2.SynthesizeRequest(cancel=cancel).SerializeToString())
