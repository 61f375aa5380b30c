"""The gRPC face of the recognition stage."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, TypeVar

import grpc.aio
from opentelemetry.context import Context
from voice.asr.v1 import asr_pb2 as pb
from voice.common.v1 import common_pb2

from services.asr.engine import AsrEngine, AsrStream, KeyTerm, Recognised, StreamOptions
from services.asr.engines import ENGINES
from services.asr.settings import AsrSettings
from services.asr.utterance import Utterance
from services.common import spans
from services.common.audio import AudioFormat, check_format, check_pcm
from services.common.draining import DrainableRequests, OpenStreams
from services.common.errors import Draining, EngineFault, InvalidInput, NotReady
from services.common.limits import AudioPace, first_request
from services.common.logging import session_id, turn_epoch
from services.common.metrics import ASR_CONFIDENCE, ASR_PARTIAL_REVISIONS, ASR_RTF
from services.common.registry import load_engine
from services.common.server import Rpc, register_rpcs
from services.common.telemetry import context_of, current_span, joined_context

log = logging.getLogger(__name__)

GRPC_NAME = "voice.asr.v1.StreamingAsr"
DEFAULT_BOOST = 0.5
MAX_PARTIAL_INTERVAL_MS = 5_000
MAX_LANGUAGES = 32
"""Far fewer are told apart well."""
T = TypeVar("T")


class AsrService:
    """Serves one engine as voice.asr.v1.StreamingAsr."""

    name = "asr"
    grpc_names: Sequence[str] = (GRPC_NAME,)

    def __init__(self, settings: AsrSettings) -> None:
        self._settings = settings
        self.engine: AsrEngine = load_engine(ENGINES, settings.engine, setting="PARLEY_ASR_ENGINE")(settings)
        self._is_ready = False
        self._open = OpenStreams()

    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicer to the server."""
        rpc = Rpc(self.recognize, pb.RecognizeRequest.FromString, pb.RecognizeResponse.SerializeToString)
        register_rpcs(server, GRPC_NAME, {"Recognize": rpc})

    async def start(self) -> None:
        """Load and warm the engine."""
        await self.engine.start()
        self._is_ready = True
        capabilities = self.engine.capabilities
        log.info("engine ready", extra={"engine": capabilities.engine, "model": capabilities.model})

    async def drain(self) -> None:
        """Let every stream go on to the end of its utterance, then end it."""
        self._open.drain()

    async def close(self) -> None:
        """Release the engine."""
        self._is_ready = False
        await self.engine.close()

    async def recognize(self, requests: AsyncIterator[pb.RecognizeRequest], context: Any) -> None:
        """Recognise one caller's stream: config first, then audio and controls; `ready` first, then hypotheses."""
        if not self._is_ready:
            raise NotReady("the recogniser is still loading: come back when health says SERVING")
        config = await self._config(requests)
        if config is None:
            return
        received_s = time.perf_counter()
        session_id.set(config.session_id)
        joined = joined_context(context.invocation_metadata())
        audio_format = check_format(config.format.sample_rate_hz, config.format.encoding)
        options = self._options(config)
        stream = await self.bounded(self.engine.open(options))
        try:
            await context.write(self._ready(config, stream, received_s))
            session = _Session(self, stream, config, audio_format, context, joined)
            drainable = DrainableRequests(requests, session.is_at_rest)
            with self._open.holding(drainable):
                try:
                    await session.run(drainable)
                except Draining:
                    await session.tell_draining()
                    await drainable.left()
                    raise
        finally:
            await stream.close()

    async def _config(self, requests: AsyncIterator[pb.RecognizeRequest]) -> pb.RecognizeConfig | None:
        first = await first_request(requests, self._settings.config_timeout_ms)
        if first is None:
            return None
        if first.WhichOneof("control") != "config" or first.audio:
            raise InvalidInput("the first request must carry config, and no audio: what the audio is, is said there")
        return first.config

    def _options(self, config: pb.RecognizeConfig) -> StreamOptions:
        settings = self._settings
        if len(config.grammar) > settings.max_grammar_chars:
            raise InvalidInput(f"grammar of {len(config.grammar)} characters: at most {settings.max_grammar_chars}")
        if len(config.key_terms) > settings.max_key_terms:
            raise InvalidInput(f"{len(config.key_terms)} key terms: at most {settings.max_key_terms}")
        if config.partial_interval_ms > MAX_PARTIAL_INTERVAL_MS:
            raise InvalidInput(f"partial_interval_ms {config.partial_interval_ms}: at most {MAX_PARTIAL_INTERVAL_MS}")
        for term in config.key_terms:
            if not term.text.strip() or not 0 <= term.boost <= 1:
                raise InvalidInput("a key term needs a text, and a boost from 0 to 1 (0 means 0.5)")
        return StreamOptions(
            sample_rate_hz=config.format.sample_rate_hz,
            language=config.language,
            languages=_languages(config),
            key_terms=tuple(KeyTerm(term.text, term.boost or DEFAULT_BOOST) for term in config.key_terms),
            grammar=config.grammar,
        )

    def _ready(self, config: pb.RecognizeConfig, stream: AsrStream, received_s: float) -> pb.RecognizeResponse:
        capabilities = self.engine.capabilities
        info = common_pb2.EngineInfo(
            engine=capabilities.engine, model=capabilities.model, capacity_streams=capabilities.capacity_streams
        )
        ready = pb.AsrReady(
            info=info,
            uses_grammar=stream.uses_grammar,
            uses_key_terms=stream.uses_key_terms,
            languages=stream.languages,
        )
        timing = common_pb2.ServerTiming(received_to_sent_us=_since_us(received_s))
        return pb.RecognizeResponse(turn_epoch=config.turn_epoch, timing=timing, ready=ready)

    @property
    def settings(self) -> AsrSettings:
        """The service's settings."""
        return self._settings

    async def bounded(self, work: Awaitable[T]) -> T:
        """Await the engine. Raises EngineFault where it outruns its deadline."""
        try:
            async with asyncio.timeout(self._settings.engine_timeout_ms / 1000):
                return await work
        except TimeoutError:
            raise EngineFault(f"the recogniser did not answer within {self._settings.engine_timeout_ms} ms") from None


class _Session:
    """One stream after its config."""

    def __init__(
        self,
        service: AsrService,
        stream: AsrStream,
        config: pb.RecognizeConfig,
        audio_format: AudioFormat,
        context: Any,
        joined: Context,
    ) -> None:
        settings = service.settings
        self._service = service
        self._stream = stream
        self._format = audio_format
        self._write = context.write
        self._session_id = config.session_id
        self._call_trace = self._turn_trace = joined
        self._pace = AudioPace(settings.audio_burst_ms)
        interval_ms = config.partial_interval_ms or settings.partial_interval_ms
        bytes_per_ms = audio_format.byte_count(1000) / 1000
        self._utterance = Utterance(config.turn_epoch, bytes_per_ms, interval_ms, settings.max_utterance_ms)
        self._engine_s = 0.0

    async def run(self, requests: AsyncIterator[pb.RecognizeRequest]) -> None:
        """Serve requests until `finish`, or until the client is gone."""
        async for request in requests:
            received_s = time.perf_counter()
            if request.audio:
                await self._on_audio(request.audio, received_s)
            match request.WhichOneof("control"):
                case "finalize":
                    await self._on_finalize(request.finalize.finalize_id, received_s)
                case "reset":
                    await self._on_reset(request.reset)
                case "finish":
                    await self._send(await self._final(), received_s, is_final=True)
                    return
                case "config":
                    raise InvalidInput("config may only come first: open another stream for another configuration")
                case None if not request.audio:
                    raise InvalidInput("empty request: send audio or a control")

    def is_at_rest(self) -> bool:
        """Whether nothing is owed: no audio yet, or none since the final text of it."""
        return not self._utterance.audio_ms or self._utterance.final is not None

    async def tell_draining(self) -> None:
        """Tell the client to go on elsewhere."""
        epoch = self._utterance.epoch
        await self._write(pb.RecognizeResponse(turn_epoch=epoch, draining=common_pb2.Draining()))

    async def _on_audio(self, chunks: Sequence[bytes], received_s: float) -> None:
        for chunk in chunks:
            check_pcm(chunk, self._format)
        pcm = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._pace.admit(self._format.duration_ms(len(pcm)))
        if not pcm or not self._utterance.feed(len(pcm)):
            return
        await self._ask(self._stream.accept(pcm))
        if self._utterance.is_partial_due():
            partial = await self._ask(self._stream.partial())
            if self._utterance.is_news(partial):
                await self._send(partial, received_s)

    async def _on_finalize(self, finalize_id: int, received_s: float) -> None:
        if not finalize_id:
            raise InvalidInput("finalize_id 0 stands for no finalize: number them from 1")
        with current_span(spans.ASR_FINALIZE, self._turn_trace) as span:
            recognised = await self._final()
            await self._send(recognised, received_s, is_final=True, finalize_id=finalize_id)
            if span.is_recording():
                span.set_attributes(self._span_attributes(recognised))

    def _span_attributes(self, recognised: Recognised) -> dict[str, str | int | float]:
        capabilities = self._service.engine.capabilities
        told: dict[str, str | int | float] = {
            spans.SESSION_ID: self._session_id,
            spans.TURN_EPOCH: self._utterance.epoch,
            spans.ENGINE: capabilities.engine,
            spans.MODEL: capabilities.model,
            spans.AUDIO_MS: self._utterance.audio_ms,
            spans.HOP_QUEUE_MS: recognised.queue_ms,
            spans.HOP_ENGINE_MS: recognised.engine_ms,
        }
        if recognised.confidence:
            told[spans.ASR_CONFIDENCE] = recognised.confidence
        return told

    async def _final(self) -> Recognised:
        final = self._utterance.final  # still good where no audio came since
        if final is None:
            final = await self._ask(self._stream.finalize())
            self._utterance.final = final
            self._measure(final)
        return final

    async def _ask(self, work: Awaitable[T]) -> T:
        began_s = time.perf_counter()
        try:
            return await self._service.bounded(work)
        finally:
            self._engine_s += time.perf_counter() - began_s

    def _measure(self, final: Recognised) -> None:
        utterance = self._utterance
        if not utterance.audio_ms:
            return
        if final.confidence:
            ASR_CONFIDENCE.record(final.confidence)
        ASR_PARTIAL_REVISIONS.record(utterance.revisions)
        ASR_RTF.record(self._engine_s * 1000 / utterance.audio_ms)

    async def _on_reset(self, reset: pb.ResetUtterance) -> None:
        epoch = reset.turn_epoch
        if epoch < self._utterance.epoch:
            raise InvalidInput(f"reset.turn_epoch {epoch} is older than {self._utterance.epoch}: epochs only grow")
        turn_epoch.set(epoch)
        await self._service.bounded(self._stream.reset())
        self._utterance.begin(epoch)
        self._engine_s = 0.0
        self._turn_trace = context_of(reset.traceparent, self._call_trace)

    async def _send(
        self, recognised: Recognised, received_s: float, *, is_final: bool = False, finalize_id: int = 0
    ) -> None:
        hypothesis = pb.Hypothesis(
            text=recognised.text,
            stable_prefix=recognised.text if is_final else self._utterance.stable_prefix,
            confidence=recognised.confidence,
            words=[
                pb.Word(text=word.text, start_ms=word.start_ms, end_ms=word.end_ms, confidence=word.confidence)
                for word in recognised.words
            ],
            is_final=is_final,
            finalize_id=finalize_id,
            audio_processed_ms=self._utterance.audio_ms,
            matches_grammar=recognised.matches_grammar,
            language=recognised.language,
        )
        timing = common_pb2.ServerTiming(
            received_to_sent_us=_since_us(received_s),
            queue_us=round(recognised.queue_ms * 1000),
            engine_us=round(recognised.engine_ms * 1000),
        )
        await self._write(pb.RecognizeResponse(turn_epoch=self._utterance.epoch, timing=timing, hypothesis=hypothesis))


def _languages(config: pb.RecognizeConfig) -> tuple[str, ...]:
    """Return the languages to tell apart. Raises InvalidInput for a list that does not fit `language`."""
    languages = tuple(dict.fromkeys(config.languages))
    if len(languages) > MAX_LANGUAGES:
        raise InvalidInput(f"{len(languages)} languages: at most {MAX_LANGUAGES}")
    if languages and config.language not in languages:
        raise InvalidInput("languages must hold language too: the one that is expected first")
    return languages if len(languages) > 1 else ()


def _since_us(began_s: float) -> int:
    return round((time.perf_counter() - began_s) * 1e6)
