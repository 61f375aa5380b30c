"""Any server that speaks the OpenAI chat completions API: vLLM, llama.cpp, Ollama, or a hosted one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx

from services.common.errors import EngineFault, InvalidInput, NotReady, Overloaded, ParleyError
from services.llm.engine import (
    Finished,
    FinishReason,
    GenerationRequest,
    LlmCapabilities,
    LlmEvent,
    TextDelta,
    Usage,
)
from services.llm.engines.openai_wire import ToolCallAssembler, chat_body, delta_text, finish_reason, usage_of
from services.llm.settings import LlmSettings

log = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 5
PROBE_PAUSE_S = 1
POOL_TIMEOUT_S = 0.05
"""A caller does not wait for a free connection: full is told at once."""
MAX_LINE_BYTES = 1 << 20
DEFAULT_RETRY_AFTER_MS = 1000
_HINTS = {
    401: ": check PARLEY_LLM_OPENAI_API_KEY",
    403: ": check PARLEY_LLM_OPENAI_API_KEY",
    404: ": check PARLEY_LLM_OPENAI_BASE_URL and the model (PARLEY_LLM_OPENAI_MODEL)",
}


class OpenAiEngine:
    """Streams chat completions over HTTP. Closing a generation closes its HTTP response, which aborts it there.

    It starts once the server answers GET <base_url>/models: until then the service is NOT_SERVING, and after
    `openai_start_timeout_ms` the start fails. A server that goes away later fails each request with EngineFault; the
    service stays SERVING, for it recovers as soon as the server does.
    """

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._running = 0
        key = settings.openai_api_key.get_secret_value()
        self._client = httpx.AsyncClient(
            base_url=settings.openai_base_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(
                settings.openai_stall_timeout_ms / 1000,
                connect=settings.openai_connect_timeout_ms / 1000,
                pool=POOL_TIMEOUT_S,
            ),
            limits=httpx.Limits(max_connections=settings.openai_max_connections),
        )

    @property
    def capabilities(self) -> LlmCapabilities:
        """A real model, cached or not as the server decides; `openai_prefill` says that it is."""
        return LlmCapabilities("openai", is_language_model=True, has_prefix_cache=self._settings.openai_prefill)

    @property
    def running(self) -> int:
        """Generations whose HTTP response is open."""
        return self._running

    async def start(self) -> None:
        """Wait for the server. Raises NotReady past the start timeout, EngineFault where it refuses the key."""
        url = self._settings.openai_base_url
        try:
            async with asyncio.timeout(self._settings.openai_start_timeout_ms / 1000):
                while not await self._is_reachable():
                    log.info("waiting for the model server", extra={"url": url})
                    await asyncio.sleep(PROBE_PAUSE_S)
        except TimeoutError:
            waited_ms = self._settings.openai_start_timeout_ms
            raise NotReady(f"PARLEY_LLM_OPENAI_BASE_URL={url}: no answer within {waited_ms} ms") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def model_label(self, model: str) -> str:
        """Return the model that a request gets. Raises InvalidInput where neither it nor the settings name one."""
        name = model or self._settings.openai_model
        if not name:
            raise InvalidInput("the request names no model, and PARLEY_LLM_OPENAI_MODEL is not set")
        return name

    async def prefill(self, request: GenerationRequest) -> int:
        """Send the conversation for one token, where `openai_prefill` allows it; return the tokens now cached."""
        if not self._settings.openai_prefill:
            return 0
        body = chat_body(request, self.model_label(request.model), stream=False) | {"max_tokens": 1}
        try:
            response = await self._client.post("chat/completions", json=body)
        except httpx.HTTPError as error:
            raise self._fault_of(error) from None
        if response.status_code != httpx.codes.OK:
            raise self._refusal(response.status_code, response.headers, response.content)
        # All of the prompt is in the cache now, whatever part of it was before.
        return usage_of(_parsed(response.text)).prompt_tokens

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmEvent, None]:
        """Stream one completion; tool calls come once they are complete."""
        body = chat_body(request, self.model_label(request.model), stream=True)
        self._running += 1
        try:
            async with self._client.stream("POST", "chat/completions", json=body) as response:
                if response.status_code != httpx.codes.OK:
                    raise self._refusal(response.status_code, response.headers, await response.aread())
                async with aclosing(_events(response)) as events:
                    async for event in events:
                        yield event
        except httpx.HTTPError as error:
            raise self._fault_of(error) from None
        finally:
            self._running -= 1

    async def _is_reachable(self) -> bool:
        try:
            response = await self._client.get("models", timeout=PROBE_TIMEOUT_S)
        except httpx.HTTPError:
            return False
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self._refusal(response.status_code, response.headers, b"")
        # Some servers have no /models; that they answer at all is enough.
        return response.status_code < httpx.codes.INTERNAL_SERVER_ERROR

    def _refusal(self, status: int, headers: httpx.Headers, body: bytes) -> ParleyError:
        """Return the error that an HTTP status stands for. The body's message is left out: it may quote the caller."""
        code = _error_code(body)
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return Overloaded(f"the model server is full (HTTP 429{code})", _retry_after_ms(headers))
        return EngineFault(f"the model server answered HTTP {status}{code}{_HINTS.get(status, '')}")

    def _fault_of(self, error: httpx.HTTPError) -> ParleyError:
        url = self._settings.openai_base_url
        match error:
            case httpx.PoolTimeout():
                most = self._settings.openai_max_connections
                return Overloaded(f"all {most} connections to the model server are taken")
            case httpx.ConnectError() | httpx.ConnectTimeout():
                return EngineFault(f"PARLEY_LLM_OPENAI_BASE_URL={url}: cannot connect to the model server")
            case httpx.TimeoutException():
                stall_ms = self._settings.openai_stall_timeout_ms
                return EngineFault(f"the model server sent nothing for {stall_ms} ms")
            case _:
                return EngineFault(f"the model server broke the connection ({type(error).__name__})")


async def _events(response: httpx.Response) -> AsyncGenerator[LlmEvent, None]:
    """Turn one event stream into engine events."""
    calls = ToolCallAssembler()
    reason: FinishReason | None = None
    usage = Usage()
    async with aclosing(_data_lines(response)) as lines:
        async for data in lines:
            if data == "[DONE]":
                break
            chunk = _parsed(data)
            if chunk.get("error"):
                raise EngineFault(f"the model server failed in mid-stream{_error_code(data.encode())}")
            if chunk.get("usage"):
                usage = usage_of(chunk)
            text = delta_text(chunk)
            if text:
                yield TextDelta(text)
            calls.add(chunk)
            reason = finish_reason(chunk) or reason
    if reason is None:
        raise EngineFault("the model server ended the stream early")
    complete = calls.complete()
    for call in complete:
        yield call
    yield Finished(FinishReason.TOOL_CALLS if complete else reason, usage)


async def _data_lines(response: httpx.Response) -> AsyncGenerator[str, None]:
    """Yield the data of each server-sent event; comments and other fields are passed over.

    Lines end at LF alone: `aiter_lines` would also split at U+2028 and the like, which JSON strings may hold.
    """
    rest = b""
    async for received in response.aiter_bytes():
        *lines, rest = (rest + received).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise EngineFault(f"the model server sent a line of more than {MAX_LINE_BYTES} bytes")
        for line in lines:
            if data := _data_of(line):
                yield data
    if data := _data_of(rest):
        yield data


def _data_of(line: bytes) -> str:
    if line.startswith(b"data:"):
        return line[5:].strip().decode("utf-8", errors="replace")
    if line.strip() and not line.startswith((b":", b"event:", b"id:", b"retry:")):
        raise EngineFault("the model server sent something that is no event stream")
    return ""


def _parsed(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        chunk = None
    if not isinstance(chunk, dict):
        raise EngineFault("the model server sent an event that is no JSON object")
    return chunk


def _error_code(body: bytes) -> str:
    """Return ", <type or code>" of an OpenAI error body, or nothing."""
    try:
        error = json.loads(body)["error"]
        code = error.get("code") or error.get("type")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
    return f", {code[:64]}" if isinstance(code, str) else ""


def _retry_after_ms(headers: httpx.Headers) -> int:
    try:
        return max(0, round(float(headers["retry-after"]) * 1000))
    except (KeyError, ValueError, OverflowError):
        return DEFAULT_RETRY_AFTER_MS
