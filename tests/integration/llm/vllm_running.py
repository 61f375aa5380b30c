"""A vllm engine that runs over the stand-in, and what is asked of it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from services.common.registry import load_engine
from services.llm.engine import (
    Finished,
    GenerationRequest,
    LlmEngine,
    LlmEvent,
    Message,
    Role,
    TextDelta,
    Tool,
    ToolCall,
)
from services.llm.engines import ENGINES
from services.llm.settings import LlmSettings
from tests.integration.llm import vllm_stand_in
from tests.integration.llm.vllm_stand_in import AsyncLLM

DEADLINE_S = 10
SCHEMA = {"type": "object", "properties": {"day": {"type": "string", "enum": ["monday", "tuesday"]}}}
LOOK_UP = Tool("look_up", "Looks up a day.", json.dumps(SCHEMA))
SYSTEM = Message(Role.SYSTEM, "be kind and helpful to the caller of this line " * 4)
ENDLESS = {"max_tokens": 1_000_000, "max_model_len": 2_000_000}


def settings(**changes: object) -> LlmSettings:
    own = {"model": "llama-tiny", "canary_idle_ms": 300_000} | changes
    found = {f"vllm_{name}": value for name, value in own.items() if name != "otlp_endpoint"}
    return LlmSettings.model_validate(
        {"engine": "vllm", "port": 0, "models_dir": Path(".models/test"), "otlp_endpoint": own.get("otlp_endpoint", "")}
        | found
    )


def asking(text: str, *tools: Tool, **others: Any) -> GenerationRequest:
    return dataclasses.replace(GenerationRequest((SYSTEM, Message(Role.USER, text)), tools=tools), **others)


@asynccontextmanager
async def started(**changes: object) -> AsyncIterator[tuple[LlmEngine, AsyncLLM]]:
    """Start an engine; yield it and the library's object behind it, with nothing asked of that yet."""
    engine: LlmEngine = load_engine(ENGINES, "vllm", setting="")(settings(**changes))
    async with asyncio.timeout(DEADLINE_S):
        await engine.start()
    llm = vllm_stand_in.started[-1]
    llm.requests.clear()
    llm.core.log.clear()
    try:
        yield engine, llm
    finally:
        await engine.close()


async def collect(engine: LlmEngine, request: GenerationRequest) -> list[LlmEvent]:
    async with asyncio.timeout(DEADLINE_S), aclosing(engine.generate(request)) as events:
        return [event async for event in events]


async def exhausted(events: AsyncGenerator[LlmEvent, None]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        async for _ in events:
            pass


def cached(events: list[LlmEvent]) -> int:
    last = events[-1]
    assert isinstance(last, Finished)
    return last.usage.cached_tokens


def text_of(events: list[LlmEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: list[LlmEvent]) -> list[tuple[str, Any]]:
    return [(event.name, json.loads(event.arguments_json)) for event in events if isinstance(event, ToolCall)]
