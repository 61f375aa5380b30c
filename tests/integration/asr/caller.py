"""A caller of the recognition service, as tests need one: sends at once, waits for responses with a deadline."""

from __future__ import annotations

import asyncio
from typing import Any, Self

import grpc.aio
from voice.asr.v1 import asr_pb2 as pb
from voice.common.v1 import common_pb2

from services.asr.servicer import GRPC_NAME
from tests.support.streams import Stream, write

DEADLINE_S = 20
CHUNK_MS = 100


def config(rate_hz: int = 16000, **fields: Any) -> pb.RecognizeRequest:
    """Return a first request."""
    audio_format = common_pb2.AudioFormat(sample_rate_hz=rate_hz, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)
    return pb.RecognizeRequest(config=pb.RecognizeConfig(format=audio_format, **fields))


class Caller:
    """One Recognize stream. `partials` are those received so far."""

    def __init__(self, channel: grpc.aio.Channel, rate_hz: int = 16000) -> None:
        recognize = channel.stream_stream(
            f"/{GRPC_NAME}/Recognize", pb.RecognizeRequest.SerializeToString, pb.RecognizeResponse.FromString
        )
        self.call: Any = recognize()
        self._stream = Stream(self.call)
        self.rate_hz = rate_hz
        self.ready = pb.RecognizeResponse()
        self.partials: list[pb.RecognizeResponse] = []

    @classmethod
    async def connect(cls, channel: grpc.aio.Channel, rate_hz: int = 16000, **fields: Any) -> Self:
        """Open a stream and wait until it is ready."""
        caller = cls(channel, rate_hz)
        await caller.send(config(rate_hz, **fields))
        caller.ready = await caller.read()
        assert caller.ready.WhichOneof("event") == "ready"
        return caller

    async def read(self) -> pb.RecognizeResponse:
        """Return the next response; the test fails where none comes."""
        async with asyncio.timeout(DEADLINE_S):
            response = await self._stream.read()
        assert isinstance(response, pb.RecognizeResponse), "the stream has ended"
        return response

    async def send(self, *requests: pb.RecognizeRequest) -> None:
        """Send these; a stream that is over takes no more, and `failure` tells why."""
        await write(self.call, *requests)

    async def ended_well(self) -> bool:
        """Wait for the end; tell whether nothing came before it, and it was a good one."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._stream.read() is grpc.aio.EOF and await self.call.code() is grpc.StatusCode.OK

    async def audio(self, pcm: bytes, chunk_ms: int = CHUNK_MS) -> None:
        """Send audio in chunks, without pacing."""
        size = self.rate_hz * chunk_ms // 1000 * 2
        for at in range(0, len(pcm), size):
            await self.send(pb.RecognizeRequest(audio=[pcm[at : at + size]]))

    async def finalize(self, finalize_id: int = 1) -> pb.RecognizeResponse:
        """Ask for a final and return it; partials before it are kept."""
        await self.send(pb.RecognizeRequest(finalize=pb.FinalizeUtterance(finalize_id=finalize_id)))
        return await self.final()

    async def finish(self) -> pb.RecognizeResponse:
        """End the input and return the last final."""
        await self.send(pb.RecognizeRequest(finish=common_pb2.FinishInput()))
        return await self.final()

    async def final(self) -> pb.RecognizeResponse:
        """Return the next final."""
        while not (response := await self.read()).hypothesis.is_final:
            self.partials.append(response)
        return response

    async def reset(self, turn_epoch: int) -> None:
        """Begin another utterance."""
        await self.send(pb.RecognizeRequest(reset=pb.ResetUtterance(turn_epoch=turn_epoch)))

    async def failure(self) -> grpc.aio.AioRpcError:
        """Wait for the stream to fail; return how."""
        async with asyncio.timeout(DEADLINE_S):
            failure = await self._stream.failure()
        assert failure is not None, "the stream ended well"
        return failure
