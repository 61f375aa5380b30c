"""The language model as a turn's answer needs it: one generation, with deadlines, cancelled by leaving it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import grpc.aio
from google.protobuf.message import DecodeError
from voice.llm.v1 import llm_pb2

from services.common.metrics import SPECULATION
from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.stream import StageError, as_stage_error, failure_of
from services.orchestrator.tracing import CallTrace, Open

log = logging.getLogger(__name__)

STAGE = "llm"
FAST_STAGE = "llm_fast"
WARM_S = 5.0
EARLY_S = 5.0
"""How long an early stream is good: the service closes one that sends no config."""


class ModelLine:
    """One call's line to the language model. A stream opened while the turn is still ending saves its set-up later."""

    def __init__(self, stages: Stages, trace: CallTrace, tenant: str = "") -> None:
        self._stages = stages
        self._tenant = tenant
        self._has_cache = True
        self._is_warming = False
        self._trace = trace
        self._speculation: Open | None = None
        self._loop = asyncio.get_running_loop()
        self._early: Any = None
        self._opened_s = 0.0

    def open_early(self, epoch: int) -> None:
        """Open a stream for a generation that is likely to be wanted soon, by turn `epoch`."""
        if self._early is None or self._loop.time() - self._opened_s > EARLY_S:
            self.drop()
            self._early = self._stages.call(STAGE, tenant=self._tenant)
            self._speculation = self._trace.speculation(epoch, "stream")
            self._opened_s = self._loop.time()

    def drop(self) -> None:
        """Close the early stream, if there is one."""
        if self._early is not None:
            self._early.cancel()
            self._early = None
            self._conclude("discarded")

    def take(self, *, is_fast: bool = False) -> Any:
        """Return a stream without a config: the early one where it is fresh, otherwise a new one.

        `is_fast`: to the server of the small model, where it has one of its own.
        """
        if is_fast and self._stages.has_fast_model:
            self.drop()
            return self._stages.call(FAST_STAGE, tenant=self._tenant)
        early = self._early
        if early is not None and not early.done() and self._loop.time() - self._opened_s <= EARLY_S:
            self._early = None
            self._conclude("used")
            return early
        self.drop()
        return self._stages.call(STAGE, tenant=self._tenant)

    async def warm(self, config: llm_pb2.GenerateConfig) -> None:
        """Have the model's cache filled with a conversation so far, while the caller still speaks.

        One at a time. An engine that answers that it cached nothing has no cache, and is not asked again in this call;
        a failure costs nothing but the gain.
        """
        if self._is_warming or not self._has_cache:
            return
        self._is_warming = True
        try:
            request = llm_pb2.PrefillRequest(config=config).SerializeToString()
            answer = llm_pb2.PrefillResponse.FromString(await self._stages.prefill(request, self._tenant, WARM_S))
            self._has_cache = answer.cached_tokens > 0
        except (grpc.aio.AioRpcError, DecodeError) as error:
            log.debug("no prefill", extra={"error": type(error).__name__})
        finally:
            self._is_warming = False

    def _conclude(self, outcome: str) -> None:
        speculation, self._speculation = self._speculation, None
        if speculation is not None:
            speculation.end(outcome)
            SPECULATION.add(1, kind="stream", outcome="hit" if outcome == "used" else outcome)


async def generate(
    call: Any, config: llm_pb2.GenerateConfig, *, first_token_ms: int, next_token_ms: int
) -> AsyncGenerator[llm_pb2.GenerateResponse]:
    """Yield everything the model says over `call`, `finished` last. Closing the iterator cancels down to the engine.

    Raises StageError where the model is down, hangs longer than a deadline, or breaks off before `finished`.
    """
    wait_s = first_token_ms / 1000
    try:
        async with asyncio.timeout(wait_s):
            await call.write(llm_pb2.GenerateRequest(config=config).SerializeToString())
        while True:
            async with asyncio.timeout(wait_s):
                raw = await call.read()
            if raw is grpc.aio.EOF:
                raise await _broken_off(call)
            response = llm_pb2.GenerateResponse.FromString(raw)
            if response.WhichOneof("event") != "ready":
                wait_s = next_token_ms / 1000
                yield response
            if response.HasField("finished"):
                return
    except (grpc.aio.AioRpcError, grpc.aio.UsageError, TimeoutError, DecodeError) as error:
        raise as_stage_error(STAGE, error) from error
    finally:
        call.cancel()


async def _broken_off(call: Any) -> StageError:
    error = await failure_of(call, STAGE)
    return StageError(
        STAGE,
        f"it broke off before the end: {error.detail}",
        is_rejection=error.is_rejection,
        is_overload=error.is_overload,
    )
