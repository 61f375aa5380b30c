"""The gRPC face of the language model stage."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from typing import TypeAlias

import grpc.aio
from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2

from services.common import spans
from services.common.errors import InvalidInput, NotReady, TimedOut
from services.common.limits import first_request
from services.common.logging import session_id, turn_epoch
from services.common.metrics import LLM_TOKENS, LLM_TOKENS_PER_SECOND
from services.common.registry import load_engine
from services.common.server import Rpc, register_rpcs
from services.common.telemetry import context_of, current_span, joined_context
from services.llm.convert import event_response, generation_request
from services.llm.engine import Begun, Finished, GenerationRequest, LlmEngine, LlmEvent, MortalEngine
from services.llm.engines import ENGINES
from services.llm.settings import LlmSettings
from services.llm.stream import Outbox, cancel, pump
from services.llm.toolgate import Validators, compile_tools


class _ClientGone(Exception):
    """The client closed its side without `finish`: there is nobody to answer."""


log = logging.getLogger(__name__)

GRPC_NAME = "voice.llm.v1.LanguageModel"
TENANT_KEY = "x-tenant-id"
"""Metadata that names whose conversation it is. It comes from the orchestrator, not from a caller."""
Context: TypeAlias = "grpc.aio.ServicerContext[llm_pb2.GenerateRequest, llm_pb2.GenerateResponse]"
Requests: TypeAlias = AsyncIterator[llm_pb2.GenerateRequest]


class LlmService:
    """Serves one engine as voice.llm.v1.LanguageModel."""

    name = "llm"
    grpc_names: Sequence[str] = (GRPC_NAME,)

    def __init__(self, settings: LlmSettings, engine: LlmEngine | None = None) -> None:
        self._settings = settings
        self._engine = engine
        self._is_ready = False

    @property
    def running(self) -> int:
        """Generations that the engine still holds."""
        return self._engine.running if self._engine is not None else 0

    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicer to the server."""
        generate = Rpc(self.generate, llm_pb2.GenerateRequest.FromString, llm_pb2.GenerateResponse.SerializeToString)
        prefill = Rpc(
            self.prefill, llm_pb2.PrefillRequest.FromString, llm_pb2.PrefillResponse.SerializeToString, is_stream=False
        )
        register_rpcs(server, GRPC_NAME, {"Generate": generate, "Prefill": prefill})

    async def start(self) -> None:
        """Load and warm the engine."""
        if self._engine is None:
            name, setting = self._settings.engine, "PARLEY_LLM_ENGINE"
            # In a thread: vLLM takes 7 to 25 s to import, and whoever asks for the health meanwhile is answered.
            engine_class = await asyncio.to_thread(load_engine, ENGINES, name, setting=setting)
            self._engine = engine_class(self._settings)
        await self._engine.start()
        self._is_ready = True
        label = self._engine.model_label("")
        log.info("engine ready", extra={"engine": self._engine.capabilities.name, "model": label})

    async def wait_dead(self) -> str:
        """Return once the engine has noticed its own death; never, where it cannot."""
        if isinstance(self._engine, MortalEngine):
            return await self._engine.wait_dead()
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    async def drain(self) -> None:
        """Nothing of its own to tell: a generation is short, and the server waits for those that run."""

    async def close(self) -> None:
        """Release the engine."""
        self._is_ready = False
        if self._engine is not None:
            await self._engine.close()

    async def prefill(self, request: llm_pb2.PrefillRequest, context: Context) -> llm_pb2.PrefillResponse:
        """Warm the engine's prefix cache. Raises TimedOut past the total timeout."""
        engine = self._ready_engine()
        wanted = generation_request(request.config, self._settings, _tenant(context))
        compile_tools(wanted.tools)
        engine.model_label(wanted.model)
        try:
            async with asyncio.timeout(self._settings.total_timeout_ms / 1000):
                return llm_pb2.PrefillResponse(cached_tokens=await engine.prefill(wanted))
        except TimeoutError:
            raise TimedOut(f"no prefill within {self._settings.total_timeout_ms} ms") from None

    async def generate(self, requests: Requests, context: Context) -> None:
        """Generate one assistant message: config first, then `cancel` and `finish` are watched for while it streams."""
        engine = self._ready_engine()
        config = await self._read_config(requests)
        if config is None:
            return
        session_id.set(config.session_id)
        turn_epoch.set(config.turn_epoch)
        joined = joined_context(context.invocation_metadata())
        with current_span(spans.LLM_GENERATE, context_of(config.traceparent, joined)) as span:
            generation = _Generation(engine, config, self._settings, context)
            try:
                await generation.run(requests)
            finally:
                generation.measure()
                if span.is_recording():
                    span.set_attributes(generation.span_attributes())

    async def _read_config(self, requests: Requests) -> llm_pb2.GenerateConfig | None:
        """Return the config that opens the stream, or None where the client left without one."""
        first = await first_request(requests, self._settings.config_timeout_ms)
        if first is None:
            return None
        if first.WhichOneof("request") != "config":
            raise InvalidInput("the first message must carry `config`")
        return first.config

    def _ready_engine(self) -> LlmEngine:
        if self._engine is None or not self._is_ready:
            raise NotReady("the language model is warming up or draining: watch health and come back")
        return self._engine


def _tenant(context: Context) -> str:
    named = dict(context.invocation_metadata() or ()).get(TENANT_KEY, "")
    return named if isinstance(named, str) else ""


class _Generation:
    """One Generate stream, from its config to its end."""

    def __init__(
        self, engine: LlmEngine, config: llm_pb2.GenerateConfig, settings: LlmSettings, context: Context
    ) -> None:
        self._began_s = time.monotonic()
        self._began_loop_s = asyncio.get_running_loop().time()
        self._engine = engine
        self._settings = settings
        self._context = context
        self._session_id = config.session_id
        self._turn_epoch = config.turn_epoch
        self._request: GenerationRequest = generation_request(config, settings, _tenant(context))
        self._validators: Validators = compile_tools(self._request.tools)
        self._model_label = engine.model_label(self._request.model)
        self._queue_us = 0
        self._first_output_s: float | None = None
        self._finished: Finished | None = None
        self._finished_s = 0.0
        self._deadline: asyncio.Timeout | None = None
        self._outbox = Outbox(settings.max_pending_chars)

    async def run(self, requests: Requests) -> None:
        """Stream the generation. Raises TimedOut, InvalidInput for what may not follow the config, EngineFault.

        Engine and watcher hand their errors to the outbox: nothing but the client's own cancel interrupts a write.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                # The engine works while `ready` is on its way out.
                pumping = tasks.create_task(
                    pump(self._engine, self._request, self._validators, self._outbox, self._on_event),
                    name="llm-pump",
                )
                watching = tasks.create_task(self._watch(requests, pumping), name="llm-watch")
                await self._write_ready()
                await self._write_events()
                watching.cancel()
        except* _ClientGone:
            log.debug("the client left before the end")

    def _on_event(self, event: LlmEvent) -> None:
        if isinstance(event, Begun):
            self._queue_us = event.queue_us
        elif self._first_output_s is None:
            self._on_first_output()

    def _on_first_output(self) -> None:
        self._first_output_s = time.monotonic()
        if self._deadline is not None:
            self._deadline.reschedule(self._began_loop_s + self._settings.total_timeout_ms / 1000)

    async def _write_ready(self) -> None:
        info = common_pb2.EngineInfo(
            engine=self._engine.capabilities.name,
            model=self._model_label,
            capacity_streams=self._settings.max_streams,
        )
        await self._context.write(
            llm_pb2.GenerateResponse(
                turn_epoch=self._turn_epoch,
                timing=self._timing(self._began_s),
                ready=llm_pb2.GenerationReady(info=info),
            )
        )

    async def _write_events(self) -> None:
        """Write until finished. Raises TimedOut for an engine that is too slow, or a client that reads too slowly."""
        settings = self._settings
        limit_ms = settings.first_output_timeout_ms if self._first_output_s is None else settings.total_timeout_ms
        try:
            async with asyncio.timeout_at(self._began_loop_s + limit_ms / 1000) as self._deadline:
                while self._finished is None:
                    for stamped in await self._outbox.take():
                        timing = self._timing(stamped.at_s)
                        await self._context.write(event_response(stamped.event, self._turn_epoch, timing))
                        if isinstance(stamped.event, Finished):
                            self._finished, self._finished_s = stamped.event, stamped.at_s
        except TimeoutError:
            if self._first_output_s is None:
                raise TimedOut(f"no output from the engine within {settings.first_output_timeout_ms} ms") from None
            raise TimedOut(f"the generation did not end within {settings.total_timeout_ms} ms") from None
        finally:
            self._deadline = None

    async def _watch(self, requests: Requests, pumping: asyncio.Task[None]) -> None:
        try:
            await self._follow(requests, pumping)
        except Exception as failure:
            self._outbox.abandon(failure)
            pumping.cancel()

    async def _follow(self, requests: Requests, pumping: asyncio.Task[None]) -> None:
        """Read what follows the config. The end of the requests without `finish` means that the client has gone."""
        input_ended = False
        async for request in requests:
            match request.WhichOneof("request"):
                case "cancel":
                    await cancel(pumping, self._outbox)
                    return
                case "finish" if not input_ended:
                    input_ended = True
                case kind:
                    raise InvalidInput(f"{kind or 'an empty message'} after config: send only cancel or finish")
        if not input_ended:
            raise _ClientGone

    def _timing(self, engine_done_s: float) -> common_pb2.ServerTiming:
        """Return the time from the config to now, and to the moment the engine gave the event: its queue, then work."""
        spent_us = round((engine_done_s - self._began_s) * 1e6)
        queue_us = min(self._queue_us, spent_us)
        return common_pb2.ServerTiming(
            received_to_sent_us=round((time.monotonic() - self._began_s) * 1e6),
            queue_us=queue_us,
            engine_us=spent_us - queue_us,
        )

    def measure(self) -> None:
        """Count the tokens, where the generation came to its end."""
        if self._finished is None:
            return
        usage = self._finished.usage
        counts = {"prompt": usage.prompt_tokens, "completion": usage.completion_tokens, "cached": usage.cached_tokens}
        for kind, count in counts.items():
            LLM_TOKENS.add(count, kind=kind)
        busy_s = self._finished_s - (self._first_output_s or self._finished_s)
        if usage.completion_tokens > 1 and busy_s > 0:  # the first token is there when the time begins
            LLM_TOKENS_PER_SECOND.record((usage.completion_tokens - 1) / busy_s)

    def span_attributes(self) -> dict[str, str | int | float | list[str]]:
        """Return what a trace says of the generation; never its text."""
        request, sampling = self._request, self._request.sampling
        told: dict[str, str | int | float | list[str]] = {
            spans.SESSION_ID: self._session_id,
            spans.CONVERSATION_ID: self._session_id,
            spans.TURN_EPOCH: self._turn_epoch,
            spans.OPERATION: spans.OPERATION_CHAT,
            spans.PROVIDER: self._engine.capabilities.name,
            spans.RESPONSE_MODEL: self._model_label,
            spans.SPECULATIVE: request.speculative,
        }
        asked = {
            spans.REQUEST_TEMPERATURE: sampling.temperature,
            spans.REQUEST_TOP_P: sampling.top_p,
            spans.REQUEST_MAX_TOKENS: sampling.max_tokens,
        }
        told |= {name: value for name, value in asked.items() if value is not None}
        if request.model:
            told[spans.REQUEST_MODEL] = request.model
        if self._first_output_s is not None:
            first_s = self._first_output_s - self._began_s
            told[spans.RESPONSE_FIRST_CHUNK_S] = first_s
            told[spans.HOP_QUEUE_MS] = self._queue_us / 1000
            told[spans.HOP_ENGINE_MS] = max(0.0, first_s * 1000 - self._queue_us / 1000)
        if self._finished is not None:
            usage = self._finished.usage
            told[spans.RESPONSE_FINISH_REASONS] = [self._finished.reason.value]
            told[spans.USAGE_INPUT_TOKENS] = usage.prompt_tokens
            told[spans.USAGE_OUTPUT_TOKENS] = usage.completion_tokens
            told[spans.USAGE_CACHED_TOKENS] = usage.cached_tokens
        return told
