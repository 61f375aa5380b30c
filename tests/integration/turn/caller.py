"""A caller of the turn service, as tests need one: sends at once, waits for events with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import grpc.aio
from voice.common.v1 import common_pb2
from voice.turn.v1 import turn_pb2 as pb

from services.turn.servicer import GRPC_NAME
from tests.support.streams import Stream, write

DEADLINE_S = 20
CHUNK_MS = 20


def config(rate_hz: int = 16000, **fields: Any) -> pb.DetectRequest:
    """Return a first request."""
    audio_format = common_pb2.AudioFormat(sample_rate_hz=rate_hz, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)
    return pb.DetectRequest(config=pb.DetectConfig(format=audio_format, **fields))


class Caller:
    """One Detect stream. `events` are all responses so far, `ready` included."""

    def __init__(self, channel: grpc.aio.Channel, rate_hz: int) -> None:
        detect = channel.stream_stream(
            f"/{GRPC_NAME}/Detect", pb.DetectRequest.SerializeToString, pb.DetectResponse.FromString
        )
        self.call: Any = detect()
        self._stream = Stream(self.call)
        self.rate_hz = rate_hz
        self.events: list[pb.DetectResponse] = []

    @classmethod
    async def connect(cls, channel: grpc.aio.Channel, rate_hz: int = 16000, **fields: Any) -> Self:
        """Open a stream and wait until it is ready."""
        caller = cls(channel, rate_hz)
        await caller.send(config(rate_hz, **fields))
        await caller.until("ready")
        return caller

    async def send(self, *requests: pb.DetectRequest) -> None:
        """Send these; a stream that is over takes no more, and `status` tells why."""
        await write(self.call, *requests)

    async def audio(self, pcm: bytes, chunk_ms: int = CHUNK_MS) -> None:
        """Send audio in chunks, without pacing."""
        size = self.rate_hz * chunk_ms // 1000 * 2
        for at in range(0, len(pcm), size):
            await self.send(pb.DetectRequest(audio=[pcm[at : at + size]]))

    async def text(self, text: str, **fields: Any) -> None:
        """Send a hypothesis."""
        await self.send(pb.DetectRequest(hypothesis=pb.HypothesisUpdate(text=text, **fields)))

    async def agent(self, speaking: bool, turn_epoch: int = 0, **fields: Any) -> None:
        """Send the agent's state."""
        state = pb.AgentState(speaking=speaking, turn_epoch=turn_epoch, **fields)
        await self.send(pb.DetectRequest(agent_state=state))

    async def until(self, kind: str) -> pb.DetectResponse:
        """Return the next event of that kind; the ones before it are kept in `events`."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                response = await self._stream.read()
                if response is grpc.aio.EOF:
                    raise AssertionError(f"the stream ended ({await self.call.code()}) before {kind}: {self.kinds()}")
                self.events.append(response)
                if response.WhichOneof("event") == kind:
                    return response  # type: ignore[no-any-return]

    async def finish(self) -> list[str]:
        """Finish the input, read to the end and return the kinds of all events."""
        await self.send(pb.DetectRequest(finish=common_pb2.FinishInput()))
        async with asyncio.timeout(DEADLINE_S):
            while (response := await self._stream.read()) is not grpc.aio.EOF:
                self.events.append(response)
            assert await self.call.code() is grpc.StatusCode.OK
        return self.kinds()

    async def status(self) -> tuple[grpc.StatusCode, str]:
        """Return how the stream ends, once it has."""
        async with asyncio.timeout(DEADLINE_S):
            return _told(await self._stream.failure())

    def kinds(self) -> list[str]:
        """Return the kinds of the events so far."""
        return [str(event.WhichOneof("event")) for event in self.events]


def _told(failure: grpc.aio.AioRpcError | None) -> tuple[grpc.StatusCode, str]:
    return (grpc.StatusCode.OK, "") if failure is None else (failure.code(), failure.details() or "")


async def send_all(channel: grpc.aio.Channel, *requests: pb.DetectRequest) -> tuple[grpc.StatusCode, str]:
    """Send requests on a stream of their own and return how it ends; one that does not end is half-closed."""

    async def feed() -> AsyncIterator[pb.DetectRequest]:
        for request in requests:
            yield request

    async with asyncio.timeout(DEADLINE_S):
        detect = channel.stream_stream(
            f"/{GRPC_NAME}/Detect", pb.DetectRequest.SerializeToString, pb.DetectResponse.FromString
        )
        call: Any = detect(feed())
        return _told(await Stream(call).failure())
