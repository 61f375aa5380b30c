"""An orchestrator that does not stream: `python -m bench.sequential_orchestrator`, in the place of Parley's.

Each stage waits for the whole of the one before: the recogniser gets an utterance when it is over, the model the whole
transcript, synthesis the whole reply, and the caller the whole of its audio. Everything else is bench/passthrough.py.
"""

from __future__ import annotations

from typing import Any

import grpc.aio
from voice.orchestrator.v1 import orchestrator_pb2 as pb
from voice.tts.v1 import tts_pb2

from bench import passthrough
from services.common.server import main
from services.orchestrator.settings import OrchestratorSettings


class Call(passthrough.Call):
    """One call that holds everything back until it is whole."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._utterance = bytearray()

    async def hear(self, raw: bytes) -> None:
        """Keep the caller's audio."""
        self._utterance += raw

    async def finalise(self) -> None:
        """Hand the whole utterance over, and ask for its transcript."""
        raw, self._utterance = bytes(self._utterance), bytearray()
        async with self.asr_writes:
            await self.asr.write(raw)
        await super().finalise()

    async def take(self, delta: str, kept: list[str]) -> None:
        """Keep what the model says until it is whole."""
        kept.append(delta)

    async def speak(self) -> None:
        """Hand the audio of a reply to the caller once all of it is there."""
        pcm = bytearray()
        while (raw := await self.tts.read()) is not grpc.aio.EOF:
            response = tts_pb2.SynthesizeResponse.FromString(raw)
            pcm += response.audio.pcm
            if response.audio.is_last:
                audio = pb.AgentAudio(turn_epoch=response.turn_epoch, offset_ms=0, pcm=bytes(pcm))
                pcm.clear()
                await self.write(pb.ConverseResponse(audio=audio).SerializeToString())


class Sequential(passthrough.Passthrough):
    """The pass-through with such calls."""

    call_type = Call


if __name__ == "__main__":
    main(Sequential, OrchestratorSettings)
