"""The baseline: the least that an orchestrator over grpc.aio can do. `python -m bench.passthrough` stands in for one.

It serves `Converse` and forwards bytes: every message of the caller's to recogniser and turn detector as it comes, an
end of turn as a finalize, a final transcript as a prompt, a text delta as a phrase, and audio to the caller as it
comes. No states, no pacing, no barge-in, no deadlines, no errors, no history: what it costs, grpc.aio costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
from voice.asr.v1 import asr_pb2
from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb
from voice.tts.v1 import tts_pb2
from voice.turn.v1 import turn_pb2

from services.common.server import Rpc, main, register_rpcs
from services.orchestrator.servicer import GRPC_NAME
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.stages.channels import METHODS


class Call:
    """One call: its four streams."""

    def __init__(self, methods: dict[str, Any], audio_format: common_pb2.AudioFormat, write: Any) -> None:
        self.methods = methods
        self.write = write
        self.epoch = 0
        self._answering: asyncio.Task[None] | None = None
        self.asr, self.turn, self.tts = (methods[stage]() for stage in ("asr", "turn", "tts"))
        self._configs = (
            (self.asr, asr_pb2.RecognizeRequest(config=asr_pb2.RecognizeConfig(format=audio_format, turn_epoch=1))),
            (self.turn, turn_pb2.DetectRequest(config=turn_pb2.DetectConfig(format=audio_format, turn_epoch=1))),
            (self.tts, tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(format=audio_format))),
        )
        self.asr_writes = asyncio.Lock()

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        """Forward until the caller is gone."""
        try:
            for stream, config in self._configs:
                await stream.write(config.SerializeToString())
                await stream.read()
            await self.write(pb.ConverseResponse(started=pb.ConversationStarted()).SerializeToString())
            async with asyncio.TaskGroup() as tasks:
                readers = [tasks.create_task(read()) for read in (self._follow_turns, self._transcribe, self.speak)]
                async for raw in requests:
                    await self.hear(raw)
                    await self.turn.write(raw)
                for reader in readers:
                    reader.cancel()
        finally:
            for stream, _ in self._configs:
                stream.cancel()
            if self._answering is not None:
                self._answering.cancel()

    async def hear(self, raw: bytes) -> None:
        """Pass the caller's audio on to the recogniser."""
        async with self.asr_writes:
            await self.asr.write(raw)

    async def finalise(self) -> None:
        """Ask for the transcript, the turn being over."""
        finalize = asr_pb2.FinalizeUtterance(finalize_id=self.epoch)
        async with self.asr_writes:
            await self.asr.write(asr_pb2.RecognizeRequest(finalize=finalize).SerializeToString())

    async def _follow_turns(self) -> None:
        while (raw := await self.turn.read()) is not grpc.aio.EOF:
            if turn_pb2.DetectResponse.FromString(raw).HasField("end_of_turn"):
                self.epoch += 1
                await self.finalise()

    async def _transcribe(self) -> None:
        while (raw := await self.asr.read()) is not grpc.aio.EOF:
            response = asr_pb2.RecognizeResponse.FromString(raw)
            if response.hypothesis.is_final:
                self._answering = asyncio.create_task(self.answer(response.hypothesis.text), name="answer")

    async def answer(self, text: str) -> None:
        """Ask the model, and have what it says spoken."""
        deltas: list[str] = []
        call = self.methods["llm"]()
        said = llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, content=text or "nothing")
        config = llm_pb2.GenerateConfig(turn_epoch=self.epoch, messages=[said])
        await call.write(llm_pb2.GenerateRequest(config=config).SerializeToString())
        while (raw := await call.read()) is not grpc.aio.EOF:
            response = llm_pb2.GenerateResponse.FromString(raw)
            if response.HasField("text_delta"):
                await self.take(response.text_delta.text, deltas)
            elif response.HasField("finished"):
                break
        if deltas:
            await self.say(deltas)
        reset = asr_pb2.ResetUtterance(turn_epoch=self.epoch + 1)
        async with self.asr_writes:
            await self.asr.write(asr_pb2.RecognizeRequest(reset=reset).SerializeToString())

    async def take(self, delta: str, kept: list[str]) -> None:
        """Speak each delta as a phrase; what is kept instead is spoken at the end."""
        await self.say([delta])

    async def say(self, deltas: list[str]) -> None:
        """Have a phrase spoken."""
        phrase = tts_pb2.SynthesizeText(turn_epoch=self.epoch, text="".join(deltas))
        await self.tts.write(tts_pb2.SynthesizeRequest(text=phrase).SerializeToString())

    async def speak(self) -> None:
        """Pass synthesised audio on to the caller."""
        while (raw := await self.tts.read()) is not grpc.aio.EOF:
            response = tts_pb2.SynthesizeResponse.FromString(raw)
            if response.audio.pcm:
                audio = pb.AgentAudio(
                    turn_epoch=response.turn_epoch, offset_ms=response.audio.offset_ms, pcm=response.audio.pcm
                )
                await self.write(pb.ConverseResponse(audio=audio).SerializeToString())


class Passthrough:
    """One channel a stage, four streams a call."""

    name = "orchestrator"
    grpc_names: Sequence[str] = (GRPC_NAME,)

    call_type: type[Call] = Call

    def __init__(self, settings: OrchestratorSettings) -> None:
        self._targets = {stage: str(getattr(settings, f"{stage}_target")) for stage in METHODS}
        self._channels: list[grpc.aio.Channel] = []
        self._methods: dict[str, Any] = {}

    def register(self, server: grpc.aio.Server) -> None:
        """Serve Converse, bytes in and out."""
        register_rpcs(server, GRPC_NAME, {"Converse": Rpc(self._converse, None, None)})

    async def start(self) -> None:
        """Open the channels, and wait until the stages answer."""
        for stage, method in METHODS.items():
            channel = grpc.aio.insecure_channel(self._targets[stage])
            self._channels.append(channel)
            self._methods[stage] = channel.stream_stream(method)
            await channel.channel_ready()

    async def drain(self) -> None:
        """Nothing to tell."""

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels:
            await channel.close()

    async def _converse(self, requests: AsyncIterator[bytes], context: Any) -> None:
        start = pb.ConverseRequest.FromString(await anext(aiter(requests))).start
        await self.call_type(self._methods, start.format, context.write).run(requests)


if __name__ == "__main__":
    main(Passthrough, OrchestratorSettings)
