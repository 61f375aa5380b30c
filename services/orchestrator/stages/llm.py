"""The language model as a turn's answer needs it: one generation, with deadlines, cancelled by leaving it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc.aio
from google.protobuf.message import DecodeError
from voice.llm.v1 import llm_pb2

from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.stream import StageError, as_stage_error, failure_of

STAGE = "llm"


async def generate(
    stages: Stages, config: llm_pb2.GenerateConfig, *, first_token_ms: int, next_token_ms: int
) -> AsyncGenerator[llm_pb2.GenerateResponse]:
    """Yield everything the model says, `finished` last. Closing the iterator cancels down to the engine.

    Raises StageError where the model is down, hangs longer than a deadline, or breaks off before `finished`.
    """
    call: Any = stages.call(STAGE)
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
    except (grpc.aio.AioRpcError, TimeoutError, DecodeError) as error:
        raise as_stage_error(STAGE, error) from error
    finally:
        call.cancel()


async def _broken_off(call: Any) -> StageError:
    error = await failure_of(call, STAGE)
    return StageError(STAGE, f"it broke off before the end: {error.detail}", is_rejection=error.is_rejection)
