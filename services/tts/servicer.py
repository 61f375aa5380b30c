"""The gRPC side of speech synthesis: messages to plain values and back, validation, the life of a stream."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
from opentelemetry.trace import Span
from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2

from services.common import spans
from services.common.aliases import resolve
from services.common.audio import AudioFormat, check_format
from services.common.draining import OpenStreams, client_left
from services.common.errors import Draining, InvalidInput, NotReady, TimedOut
from services.common.limits import first_request
from services.common.logging import session_id
from services.common.metrics import TTS_RTF
from services.common.registry import load_engine
from services.common.server import Rpc, register_rpcs
from services.common.telemetry import context_of, current_span, joined_context
from services.tts.engine import Pronunciation, Rendered, SpeakerConfig, TtsEngine
from services.tts.engines import ENGINES
from services.tts.frames import EpochAudio
from services.tts.pending import Attempt, FlushToTell, PendingSpeech, PhraseToSpeak
from services.tts.sending import PhraseSender, server_timing
from services.tts.settings import TtsSettings
from services.tts.text import prepare
from services.tts.voices import Voices

log = logging.getLogger(__name__)

GRPC_NAME = "voice.tts.v1.StreamingTts"
_DRAIN_IDLE_S = 2.0
"""Quiet from both sides that ends a stream of a server about to stop. Within a turn, phrases come closer together."""
_MAX_PRONUNCIATIONS = 1000
_MAX_LANGUAGES = 32
_MAX_WORD_CHARS = 100
_MAX_STYLE_CHARS = 64
_MAX_PAUSE_MS = 5_000


class TtsService:
    """Streaming speech synthesis, as the server runs it."""

    name = "tts"
    grpc_names: Sequence[str] = (GRPC_NAME,)

    def __init__(self, settings: TtsSettings) -> None:
        self._settings = settings
        self.engine: TtsEngine = load_engine(ENGINES, settings.engine, setting="PARLEY_TTS_ENGINE")(settings)
        self._is_warm = False
        self._open = OpenStreams()

    def register(self, server: grpc.aio.Server) -> None:
        """Add the RPC to the server."""
        rpc = Rpc(self._synthesize, tts_pb2.SynthesizeRequest.FromString, tts_pb2.SynthesizeResponse.SerializeToString)
        register_rpcs(server, GRPC_NAME, {"Synthesize": rpc})

    async def start(self) -> None:
        """Load and warm the engine."""
        await self.engine.start()
        self._is_warm = True

    async def drain(self) -> None:
        """Let every stream go on until nothing was said for a moment, which is between two turns; then end it."""
        self._open.drain()

    async def close(self) -> None:
        """Release the engine."""
        self._is_warm = False
        await self.engine.close()

    async def _synthesize(self, requests: AsyncIterator[tts_pb2.SynthesizeRequest], context: Any) -> None:
        if not self._is_warm:
            raise NotReady("the speech engine is still loading: come back when health says SERVING")
        first = await first_request(requests, self._settings.config_timeout_ms)
        if first is None:
            return
        if first.WhichOneof("request") != "config":
            raise InvalidInput("the first request must carry config: voice, format, and only then text")
        session_id.set(first.config.session_id)
        wishes: list[tts_pb2.SynthesizeConfig | tts_pb2.LanguageVoice] = [first.config, *first.config.languages]
        for named in wishes:
            named.voice = resolve(self._settings.voice_aliases, named.voice)
        config = parse_config(first.config)
        voices = Voices(self.engine, config, parse_languages(first.config))
        audio_format = AudioFormat(config.sample_rate_hz)
        stream = _Stream(self._settings, self.engine, voices, audio_format, context, first.config.session_id)
        with self._open.holding(stream):
            await stream.run(requests)


def parse_config(config: tts_pb2.SynthesizeConfig) -> SpeakerConfig:
    """Return the client's wishes, validated. Raises InvalidInput that says what to send instead."""
    rate_hz = check_format(config.format.sample_rate_hz, config.format.encoding).sample_rate_hz
    return _speaker_config(config, rate_hz)


def parse_languages(config: tts_pb2.SynthesizeConfig) -> dict[str, SpeakerConfig]:
    """Return the client's wishes for other languages, validated, by their tags. Raises InvalidInput."""
    if len(config.languages) > _MAX_LANGUAGES:
        raise InvalidInput(f"{len(config.languages)} languages: send at most {_MAX_LANGUAGES}")
    if not all(entry.language for entry in config.languages):
        raise InvalidInput("each of languages needs its tag, such as es-ES")
    rate_hz = config.format.sample_rate_hz
    return {entry.language: _speaker_config(entry, rate_hz) for entry in config.languages}


def _speaker_config(config: tts_pb2.SynthesizeConfig | tts_pb2.LanguageVoice, rate_hz: int) -> SpeakerConfig:
    speed = config.speed or 1.0
    if not (math.isfinite(speed) and 0.5 <= speed <= 2):
        raise InvalidInput(f"speed {config.speed} is out of range: send 0.5 to 2, or 0 for the voice's own")
    if len(config.pronunciations) > _MAX_PRONUNCIATIONS:
        raise InvalidInput(f"{len(config.pronunciations)} pronunciations: send at most {_MAX_PRONUNCIATIONS}")
    return SpeakerConfig(
        sample_rate_hz=rate_hz,
        voice=config.voice,
        language=config.language,
        speed=speed,
        pronunciations=tuple(_parse_pronunciation(entry) for entry in config.pronunciations),
        style=config.style,
    )


def _parse_pronunciation(entry: tts_pb2.Pronunciation) -> Pronunciation:
    word, how = entry.word.strip(), (entry.respelling or entry.ipa).strip()
    if not word or not how:
        raise InvalidInput("a pronunciation needs a word, and a respelling or ipa for it")
    if max(len(word), len(how)) > _MAX_WORD_CHARS:
        raise InvalidInput(f"a pronunciation is longer than {_MAX_WORD_CHARS} characters: give single words or names")
    return Pronunciation(word, how, "") if entry.respelling else Pronunciation(word, "", how)


def phrase_to_speak(text: tts_pb2.SynthesizeText, received_s: float, max_chars: int) -> PhraseToSpeak:
    """Return a phrase as it arrived, validated. Raises InvalidInput that says what to send instead."""
    if len(text.text) > max_chars:
        raise InvalidInput(f"a phrase of {len(text.text)} characters: send at most {max_chars}, a sentence at a time")
    if len(text.style) > _MAX_STYLE_CHARS:
        raise InvalidInput(f"a style of {len(text.style)} characters: send a name of at most {_MAX_STYLE_CHARS}")
    if text.pause_ms > _MAX_PAUSE_MS:
        raise InvalidInput(f"pause_ms {text.pause_ms}: send at most {_MAX_PAUSE_MS}")
    return PhraseToSpeak(
        text.turn_epoch,
        text.phrase_id,
        text.text,
        received_s,
        text.traceparent,
        text.attempt,
        text.language,
        text.style,
        text.pause_ms,
    )


class _Stream:
    """One agent's voice for one call: a task reads what to say, another says it."""

    def __init__(
        self,
        settings: TtsSettings,
        engine: TtsEngine,
        voices: Voices,
        audio_format: AudioFormat,
        context: Any,
        session_id: str,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._voices = voices
        self._context = context
        self._format = audio_format
        self._trace = joined_context(context.invocation_metadata())
        self._span_attributes: dict[str, str | int | float | bool] = {
            spans.SESSION_ID: session_id,
            spans.ENGINE: engine.capabilities.engine,
            spans.MODEL: engine.capabilities.model,
        }
        self._pending = PendingSpeech(settings.max_pending_phrases)
        self._audio = EpochAudio(self._format, settings.max_frame_ms)
        self._speaking: Attempt = (0, 0)
        self._rendering: asyncio.Timeout | None = None
        self._idle: asyncio.Timeout | None = None
        self._idle_s = settings.idle_timeout_ms / 1000
        self._is_draining = False
        self._phrases = 0

    async def run(self, requests: AsyncIterator[tts_pb2.SynthesizeRequest]) -> None:
        """Serve the stream to its end."""
        capabilities = self._engine.capabilities
        info = common_pb2.EngineInfo(
            engine=capabilities.engine,
            model=f"{capabilities.model} ({self._settings.voice})",  # a voice by default is part of what speaks
            capacity_streams=self._settings.max_streams,
        )
        ready = tts_pb2.TtsReady(info=info, voices=capabilities.voices, languages=self._voices.languages)
        await self._write(tts_pb2.SynthesizeResponse(timing=common_pb2.ServerTiming(), ready=ready))
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(requests), name="tts-read")
            speaking = group.create_task(self._speak_all(), name="tts-speak")
            await asyncio.wait({reading, speaking}, return_when=asyncio.FIRST_COMPLETED)
            if (
                self._pending.is_finished and not speaking.done()
            ):  # a half-close after finish: what is pending is spoken
                await asyncio.wait({speaking})
            reading.cancel()
            speaking.cancel()
        log.info("stream ended", extra={"phrases": self._phrases, "is_finished": self._pending.is_finished})

    async def _read(self, requests: AsyncIterator[tts_pb2.SynthesizeRequest]) -> None:
        try:
            async with asyncio.timeout(self._idle_s) as self._idle:
                async for request in requests:
                    self._not_idle()
                    self._accept(request, time.perf_counter())
        except TimeoutError:
            if not self._is_draining:
                raise TimedOut(f"nothing was sent for {self._idle_s:g} s: finish a stream that is not needed") from None
            await self._write(tts_pb2.SynthesizeResponse(draining=common_pb2.Draining()))
            await client_left(requests)
            raise Draining from None
        finally:
            self._idle = None

    def _not_idle(self) -> None:
        if self._idle is not None and not self._idle.expired():
            self._idle.reschedule(asyncio.get_running_loop().time() + self._idle_s)

    def drain(self) -> None:
        """End the stream as soon as nothing was received or sent for a moment."""
        self._is_draining = True
        self._idle_s = min(self._idle_s, _DRAIN_IDLE_S)
        self._not_idle()

    def _accept(self, request: tts_pb2.SynthesizeRequest, received_s: float) -> None:
        match request.WhichOneof("request"):
            case "text":
                self._pending.add(phrase_to_speak(request.text, received_s, self._settings.max_phrase_chars))
            case "flush":
                self._pending.add(FlushToTell(request.flush.turn_epoch, received_s, request.flush.attempt))
            case "cancel":
                self._cancel((request.cancel.turn_epoch, request.cancel.attempt))
            case "finish":
                self._pending.finish()
            case "config":
                raise InvalidInput("a second config: open a new stream to speak differently")
            case _:
                raise InvalidInput("an empty request: send text, flush, cancel or finish")

    def _cancel(self, attempt: Attempt) -> None:
        self._pending.cancel(attempt)
        rendering = self._rendering
        if rendering is not None and not rendering.expired() and self._pending.is_cancelled(self._speaking):
            rendering.reschedule(0)  # a deadline in the past ends the wait for the engine now, and the engine's work

    async def _speak_all(self) -> None:
        while (item := await self._pending.next()) is not None:
            if item.of != self._speaking:
                self._speaking = item.of
                self._audio = EpochAudio(self._format, self._settings.max_frame_ms)
            if isinstance(item, FlushToTell):
                flushed = tts_pb2.SpeechFlushed(audio_ms=self._audio.audio_ms)
                timing = server_timing(item.received_s)
                await self._write(
                    tts_pb2.SynthesizeResponse(
                        turn_epoch=item.epoch, attempt=item.attempt, timing=timing, flushed=flushed
                    )
                )
                continue
            self._phrases += 1
            attributes = self._span_attributes | {
                spans.TURN_EPOCH: item.epoch,
                spans.PHRASE_ID: item.phrase_id,
                spans.PHRASE_CHARS: len(item.text),
            }
            with current_span(spans.TTS_SPEAK, context_of(item.traceparent, self._trace), attributes) as span:
                await self._speak(item, span)

    async def _speak(self, item: PhraseToSpeak, span: Span) -> None:
        """Send one phrase, unless and until its attempt is cancelled."""
        phrase = prepare(item.text, item.style)
        sender = PhraseSender(
            item, phrase, self._audio, self._format, write=self._write, is_cancelled=self._pending.is_cancelled
        )
        if item.pause_ms and not await sender.pause(item.pause_ms):
            return
        is_first = True
        busy_us, audio_bytes = 0, 0
        if phrase.is_speakable:
            async with contextlib.aclosing(self._voices.of(item.language).render(phrase)) as pieces:
                while not sender.is_done:
                    began_s = time.perf_counter()
                    piece = await self._next_piece(pieces, item)
                    if piece is None:
                        break
                    engine_us = round((time.perf_counter() - began_s) * 1e6) - piece.queue_us
                    if is_first:
                        is_first = False
                        span.set_attributes(
                            {spans.HOP_QUEUE_MS: piece.queue_us / 1000, spans.HOP_ENGINE_MS: max(0, engine_us) / 1000}
                        )
                    busy_us, audio_bytes = busy_us + max(0, engine_us), audio_bytes + len(piece.pcm)
                    if not await sender.send(piece, max(0, engine_us)):
                        return
        if audio_bytes:
            TTS_RTF.record(busy_us / 1000 / self._format.duration_ms(audio_bytes))
        if not sender.is_done:  # nothing to say, or an engine that ended without saying so
            await sender.send(Rendered(b"", is_last=True), 0)

    async def _next_piece(self, pieces: AsyncIterator[Rendered], item: PhraseToSpeak) -> Rendered | None:
        timeout_ms = self._settings.render_timeout_ms
        try:
            async with asyncio.timeout(timeout_ms / 1000) as self._rendering:
                return await anext(pieces, None)
        except TimeoutError:
            if self._pending.is_cancelled(item.of):
                return None
            raise TimedOut(f"the speech engine gave no audio for {timeout_ms} ms") from None
        finally:
            self._rendering = None

    async def _write(self, response: tts_pb2.SynthesizeResponse) -> None:
        timeout_ms = self._settings.write_timeout_ms
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._context.write(response)
            self._not_idle()
        except TimeoutError:
            raise TimedOut(f"no audio was taken for {timeout_ms} ms: read what is sent, or cancel") from None
