"""A stand-in for a language model, for tests and benchmarks: deterministic, with settable delays and failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from services.common.errors import EngineFault
from services.llm.engine import (
    Begun,
    Finished,
    FinishReason,
    GenerationRequest,
    LlmCapabilities,
    LlmEvent,
    Role,
    TextDelta,
    ToolCall,
    Usage,
)
from services.llm.settings import LlmSettings


class FakeEngine:
    """Says what its settings say. With no delay and one delta, a generation never yields to the event loop.

    Failures (`fake_failure`): `raise` before the first output, `hang` before it until closed, `die` in the middle of
    the reply, `bad_tool_call` (arguments that are no JSON, for a tool that exists where any does).
    """

    capabilities = LlmCapabilities(name="fake", is_language_model=False)

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._running = 0

    @property
    def running(self) -> int:
        """Generations now open."""
        return self._running

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to release."""

    def model_label(self, model: str) -> str:
        """Declare the engine as fake, whatever model is asked for."""
        return "fake"

    async def prefill(self, request: GenerationRequest) -> int:
        """There is no cache."""
        return 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmEvent, None]:
        """Yield the scripted tool call, or the reply."""
        settings = self._settings
        self._running += 1
        try:
            last = request.messages[-1]
            told = last.content if last.role is Role.USER else ""
            failure = settings.fake_failure if settings.fake_fail_when in told else "none"
            if settings.fake_queue_delay_ms:
                queued_s = time.perf_counter()
                await asyncio.sleep(settings.fake_queue_delay_ms / 1000)
                yield Begun(round((time.perf_counter() - queued_s) * 1e6))
            if settings.fake_first_delay_ms:
                await asyncio.sleep(settings.fake_first_delay_ms / 1000)
            if failure == "raise":
                raise EngineFault("the fake engine was told to fail")
            if failure == "hang":
                await asyncio.Event().wait()
            call = _scripted_call(settings, request, told, failure == "bad_tool_call")
            if call is not None:
                yield call
                yield Finished(FinishReason.TOOL_CALLS, _usage(request, 1))
                return
            words = settings.fake_reply.replace("{user}", told).split()
            limit = request.sampling.max_tokens
            said = words if limit is None else words[:limit]
            size = settings.fake_words_per_delta or len(said) or 1
            for start in range(0, len(said), size):
                if start and settings.fake_delta_delay_ms:
                    await asyncio.sleep(settings.fake_delta_delay_ms / 1000)
                if failure == "die" and start + size >= len(said):
                    raise EngineFault("the fake engine was told to die before its last delta")
                yield TextDelta((" " if start else "") + " ".join(said[start : start + size]))
            reason = FinishReason.STOP if len(said) == len(words) else FinishReason.LENGTH
            yield Finished(reason, _usage(request, len(said)))
        finally:
            self._running -= 1


def _scripted_call(settings: LlmSettings, request: GenerationRequest, told: str, bad: bool) -> ToolCall | None:
    number = sum(len(message.tool_calls) for message in request.messages) + 1
    if bad:
        name = request.tools[0].name if request.tools else "no_such_tool"
        return ToolCall(f"fake_{number}", name, '{"day": ')
    if settings.fake_tool_name and settings.fake_tool_when and settings.fake_tool_when in told:
        return ToolCall(f"fake_{number}", settings.fake_tool_name, settings.fake_tool_arguments)
    return None


def _usage(request: GenerationRequest, completion_tokens: int) -> Usage:
    """Count words: there is no tokenizer."""
    return Usage(sum(len(message.content.split()) for message in request.messages), completion_tokens)
