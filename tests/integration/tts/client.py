"""A client of speech synthesis that a test drives message by message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2

from services.common.server import Server
from services.tts.servicer import GRPC_NAME, TtsService
from services.tts.settings import TtsSettings
from tests.support.servers import serving
from tests.support.streams import Stream, write

DEADLINE_S = 20


@dataclass
class Heard:
    """What came back for one phrase."""

    pcm: bytes = b""
    words: list[tts_pb2.SpokenWord] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    is_last: bool = False

    def add(self, response: tts_pb2.SynthesizeResponse, rate_hz: int) -> None:
        """Add a response of the phrase, and hold it to the contract's rules of order."""
        assert not self.is_last, "something came after the phrase's last audio"
        if response.HasField("words"):
            self.words += response.words.words
            return
        audio = response.audio
        assert audio.offset_ms == len(self.pcm) * 1000 // (2 * rate_hz)
        self.pcm += audio.pcm
        self.frames.append(len(audio.pcm))
        self.is_last = audio.is_last


class Client:
    """One stream."""

    def __init__(self, channel: grpc.aio.Channel, rate_hz: int = 16000) -> None:
        method = channel.stream_stream(
            f"/{GRPC_NAME}/Synthesize",
            request_serializer=tts_pb2.SynthesizeRequest.SerializeToString,
            response_deserializer=tts_pb2.SynthesizeResponse.FromString,
        )
        self.call: Any = method(timeout=60)
        self._stream = Stream(self.call)
        self.rate_hz = rate_hz

    async def send(self, *requests: tts_pb2.SynthesizeRequest) -> None:
        """Send these; a stream that is over takes no more, and reading tells why."""
        await write(self.call, *requests)

    async def open(self, **config: Any) -> tts_pb2.TtsReady:
        """Send the config and return what the server says of itself."""
        audio_format = common_pb2.AudioFormat(sample_rate_hz=self.rate_hz, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)
        await self.send(
            tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(**({"format": audio_format} | config)))
        )
        response = await self.read()
        assert response.HasField("ready")
        return response.ready

    async def text(self, text: str, epoch: int = 1, phrase: int = 0, **how: Any) -> None:
        said = tts_pb2.SynthesizeText(turn_epoch=epoch, phrase_id=phrase, text=text, **how)
        await self.send(tts_pb2.SynthesizeRequest(text=said))

    async def flush(self, epoch: int = 1, attempt: int = 0) -> None:
        await self.send(tts_pb2.SynthesizeRequest(flush=tts_pb2.FlushSpeech(turn_epoch=epoch, attempt=attempt)))

    async def cancel(self, epoch: int = 1, attempt: int = 0) -> None:
        await self.send(tts_pb2.SynthesizeRequest(cancel=tts_pb2.CancelSpeech(turn_epoch=epoch, attempt=attempt)))

    async def finish(self) -> None:
        await self.send(tts_pb2.SynthesizeRequest(finish=common_pb2.FinishInput()))

    async def read(self) -> tts_pb2.SynthesizeResponse:
        """Return the next response. Raises AioRpcError where the stream ended in an error, EOFError at its good end."""
        async with asyncio.timeout(DEADLINE_S):
            response = await self._stream.read()
        if response is grpc.aio.EOF:
            raise EOFError
        assert isinstance(response, tts_pb2.SynthesizeResponse)
        return response

    async def read_phrase(self, epoch: int = 1, phrase: int = 0) -> Heard:
        """Read one whole phrase; nothing else may come."""
        heard = Heard()
        while not heard.is_last:
            response = await self.read()
            assert response.turn_epoch == epoch
            assert (response.audio if response.HasField("audio") else response.words).phrase_id == phrase
            heard.add(response, self.rate_hz)
        return heard

    async def say(self, text: str, epoch: int = 1, phrase: int = 0) -> Heard:
        """Have one phrase spoken."""
        await self.text(text, epoch, phrase)
        return await self.read_phrase(epoch, phrase)

    async def read_until_flushed(self) -> tuple[list[tts_pb2.SynthesizeResponse], tts_pb2.SynthesizeResponse]:
        """Return the responses before `flushed`, and that."""
        before: list[tts_pb2.SynthesizeResponse] = []
        while not (response := await self.read()).HasField("flushed"):
            before.append(response)
        return before, response

    async def rest(self) -> list[tts_pb2.SynthesizeResponse]:
        """Return everything up to the good end of the stream."""
        responses: list[tts_pb2.SynthesizeResponse] = []
        try:
            while True:
                responses.append(await self.read())
        except EOFError:
            return responses

    async def refusal(self) -> grpc.aio.AioRpcError:
        """Return the error that ends the stream, past what may come before it."""
        async with asyncio.timeout(DEADLINE_S):
            failure = await self._stream.failure()
        assert failure is not None, "the stream ended well"
        return failure


@dataclass(frozen=True)
class Running:
    """A server in this process and a channel to it."""

    service: TtsService
    server: Server
    channel: grpc.aio.Channel

    def client(self, rate_hz: int = 16000) -> Client:
        return Client(self.channel, rate_hz)

    async def until_idle(self) -> None:
        """Wait until no phrase is being rendered and no stream is open."""
        async with asyncio.timeout(DEADLINE_S):
            while self.service.engine.running or self.server.interceptor.active_streams:  # noqa: ASYNC110 (no event)
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Running]:
    """Serve speech synthesis with these settings on a free port."""
    values: dict[str, Any] = {"engine": "fake", "port": 0, "drain_grace_ms": 2000} | settings
    chosen = TtsSettings(**values)
    service = TtsService(chosen)
    async with serving(service, chosen) as (server, channel):
        yield Running(service, server, channel)
