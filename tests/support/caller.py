"""A caller for tests: sends what a test says, keeps every response, waits for what should come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.wire import encode_audio
from tests.support.streams import Stream, write

METHOD = "/voice.orchestrator.v1.VoiceAgent/Converse"
RATE_HZ = 16000
FRAME_MS = 20
SPEECH = b"\x00\x10" * (RATE_HZ * FRAME_MS // 1000)
SILENCE = bytes(len(SPEECH))
DEADLINE_S = 10.0

LISTENING = pb.CONVERSATION_STATE_LISTENING
THINKING = pb.CONVERSATION_STATE_THINKING
SPEAKING = pb.CONVERSATION_STATE_SPEAKING
INTERRUPTED = pb.CONVERSATION_STATE_INTERRUPTED


def start_of(agent: str = "tester", **fields: Any) -> pb.ConverseRequest:
    """Return a start message."""
    audio = common_pb2.AudioFormat(sample_rate_hz=RATE_HZ, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)
    chosen: dict[str, Any] = {"agent": agent, "format": audio} | fields
    return pb.ConverseRequest(start=pb.StartConversation(**chosen))


class Caller:
    """One Converse stream. `responses` holds all that came, in order."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.responses: list[pb.ConverseResponse] = []
        self.failure: grpc.aio.AioRpcError | None = None
        self._stream = Stream(call)
        self._news = asyncio.Condition()
        self._is_over = False
        self._writing = asyncio.Lock()  # grpc.aio takes one write at a time, and some callers speak and type at once
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            with contextlib.suppress(grpc.aio.AioRpcError):
                while (raw := await self._stream.read()) is not grpc.aio.EOF:
                    async with self._news:
                        self.responses.append(pb.ConverseResponse.FromString(raw))
                        self._news.notify_all()
            self.failure = await self._stream.failure()
        finally:
            async with self._news:
                self._is_over = True
                self._news.notify_all()

    async def send(self, request: pb.ConverseRequest) -> None:
        """Send a request."""
        await self.send_raw(request.SerializeToString())

    async def send_raw(self, raw: bytes) -> None:
        """Send bytes as they are. Into a call that is over nothing goes: `failure` tells why, and so does `next`."""
        async with self._writing:
            await write(self.call, raw)

    async def audio(self, pcm: bytes, frames: int = 1) -> None:
        """Send a frame of audio, as often as told, without pacing."""
        for _ in range(frames):
            await self.send_raw(encode_audio(pcm))

    async def say(self, frames: int = 20, silence_frames: int = 10) -> None:
        """Speak for some frames, then fall silent: a whole turn for the fake turn detector."""
        await self.audio(SPEECH, frames)
        await self.audio(SILENCE, silence_frames)

    async def next(self, matches: Callable[[pb.ConverseResponse], bool], since: int = 0) -> pb.ConverseResponse:
        """Wait for the first response from index `since` on that matches. Raises AssertionError where none comes."""

        def found() -> pb.ConverseResponse | None:
            return next((response for response in self.responses[since:] if matches(response)), None)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_S), self._news:
                await self._news.wait_for(lambda: self._is_over or found() is not None)
        response = found()
        ended = self.failure or ("the call ended well" if self._is_over else "still open")
        assert response is not None, f"it did not come; {ended}; got {self.kinds(since)}"
        return response

    async def kind(self, name: str, since: int = 0) -> Any:
        """Wait for an event by its field name, such as "turn_summary"; return that field."""
        return getattr(await self.next(lambda response: response.HasField(name), since), name)  # type: ignore[arg-type]

    async def state(self, state: pb.ConversationState.ValueType, since: int = 0) -> pb.StateChanged:
        """Wait for a state."""
        response = await self.next(lambda r: r.HasField("state_changed") and r.state_changed.state == state, since)
        return response.state_changed

    async def over(self) -> None:
        """Wait for the stream's end."""
        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(lambda: self._is_over)

    def mark(self) -> int:
        """Return the index from which later responses count."""
        return len(self.responses)

    def all(self, name: str, since: int = 0) -> list[Any]:
        """Return every event of that field name so far."""
        return [getattr(r, name) for r in self.responses[since:] if r.WhichOneof("event") == name]

    def kinds(self, since: int = 0) -> list[str]:
        """Return the names of all that came so far, audio left out."""
        return [kind for r in self.responses[since:] if (kind := str(r.WhichOneof("event"))) != "audio"]

    async def hang_up(self) -> None:
        """Break the stream off."""
        self.call.cancel()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


@asynccontextmanager
async def calling(
    channel: grpc.aio.Channel, first: pb.ConverseRequest | None = None, *, greeted: bool = True
) -> AsyncIterator[Caller]:
    """Open a call; wait for the greeting to be heard unless told otherwise."""
    caller = Caller(channel.stream_stream(METHOD)())
    try:
        await caller.send(first or start_of())
        if greeted:
            await caller.kind("started")
            await caller.kind("turn_summary")
            await caller.state(LISTENING)
        yield caller
    finally:
        await caller.hang_up()
