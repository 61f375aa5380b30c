"""Speech from the synthesis service, without an orchestrator: for `parley say`, and for callers made of text."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import grpc.aio
from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2 as pb
from voice.tts.v1 import tts_pb2_grpc

from parley.errors import SpeechError
from parley.rpc import TrueStatus, open_channel

DEADLINE_S = 30.0


async def synthesise(
    target: str, texts: Sequence[str], *, voice: str = "", sample_rate_hz: int = 16000, speed: float = 1.0
) -> list[bytes]:
    """Return each text as speech, PCM16 mono. An empty `voice` is the server's default.

    Raises SpeechError that says what to do: no service there, no such voice, no answer within 30 s.
    """
    async with open_channel(target) as channel:
        stub: Any = tts_pb2_grpc.StreamingTtsStub(channel)
        stream = stub.Synthesize()
        status = TrueStatus(stream)
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await _speak(stream, texts, voice, sample_rate_hz, speed)
        except grpc.aio.AioRpcError as error:
            raise SpeechError(_advice(await status.of(error) or error, target)) from error
        except TimeoutError as error:
            raise SpeechError(f"the tts service at {target} did not answer within {DEADLINE_S:.0f} s") from error
        finally:
            stream.cancel()


async def _speak(stream: Any, texts: Sequence[str], voice: str, sample_rate_hz: int, speed: float) -> list[bytes]:
    audio_format = common_pb2.AudioFormat(sample_rate_hz=sample_rate_hz, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)
    config = pb.SynthesizeConfig(format=audio_format, voice=voice, speed=speed)
    phrases = [pb.SynthesizeText(turn_epoch=1, phrase_id=number, text=text) for number, text in enumerate(texts)]
    # Where the service has ended the stream, reading tells why.
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        await stream.write(pb.SynthesizeRequest(config=config))
        for phrase in phrases:
            await stream.write(pb.SynthesizeRequest(text=phrase))
        await stream.write(pb.SynthesizeRequest(finish=common_pb2.FinishInput()))
    spoken = [bytearray() for _ in texts]
    async for response in stream:  # unlike read(), it gives all that came before the end, and then why it ended
        if response.WhichOneof("event") == "audio":
            spoken[response.audio.phrase_id] += response.audio.pcm
    return [bytes(pcm) for pcm in spoken]


def _advice(error: grpc.aio.AioRpcError, target: str) -> str:
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return f"no tts service answers at {target} ({error.details()}): start it with `parley up`"
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return f"what answers at {target} is no tts service ({error.details()}): name another with --server"
    return f"the tts service at {target} refused: {error.details()}"
