"""The openai engine against a real HTTP server: what it sends, what it makes of good and bad answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from services.common.errors import EngineFault, InvalidInput, NotReady, Overloaded, ParleyError
from services.llm.engine import (
    Finished,
    FinishReason,
    GenerationRequest,
    LlmEvent,
    Message,
    Role,
    Sampling,
    TextDelta,
    Tool,
    ToolCall,
    Usage,
)
from services.llm.engines.openai import OpenAiEngine
from services.llm.settings import LlmSettings
from tests.integration.llm.model_server import Behaviour, Exchange, ModelServer, model_server, talkative

pytestmark = pytest.mark.integration

DEADLINE_S = 5


@asynccontextmanager
async def engine_on(behave: Behaviour, **settings: Any) -> AsyncIterator[tuple[OpenAiEngine, ModelServer]]:
    async with model_server(behave) as server:
        chosen = {"openai_base_url": server.base_url, "openai_model": "small", **settings}
        engine = OpenAiEngine(LlmSettings.model_validate(chosen))
        try:
            async with asyncio.timeout(DEADLINE_S):
                yield engine, server
        finally:
            await engine.close()


def asking(text: str = "talk", **fields: Any) -> GenerationRequest:
    return GenerationRequest(messages=(Message(Role.SYSTEM, "be brief"), Message(Role.USER, text)), **fields)


async def collect(engine: OpenAiEngine, request: GenerationRequest) -> list[LlmEvent]:
    async with aclosing(engine.generate(request)) as events:
        return [event async for event in events]


async def failure_of(behave: Behaviour, **settings: Any) -> ParleyError:
    async with engine_on(behave, **settings) as (engine, _):
        with pytest.raises(ParleyError) as failure:
            await collect(engine, asking())
        assert engine.running == 0
        return failure.value


async def test_sends_the_whole_request() -> None:
    tool = Tool("look_up", "Looks up.", '{"type": "object"}')
    call = ToolCall("c1", "look_up", "{}")
    request = GenerationRequest(
        messages=(
            Message(Role.SYSTEM, "be brief"),
            Message(Role.USER, "talk"),
            Message(Role.ASSISTANT, "", (call,)),
            Message(Role.TOOL, '{"x": 1}', tool_call_id="c1"),
            Message(Role.USER, "talk more"),
        ),
        model="large",
        tools=(tool,),
        sampling=Sampling(0.5, 0.9, 4, 7),
        language="es",
    )
    async with engine_on(talkative, openai_api_key="sesame") as (engine, server):
        await collect(engine, request)
        [exchange] = server.exchanges
    assert exchange.path == "/v1/chat/completions"
    assert exchange.headers["authorization"] == "Bearer sesame"
    body = exchange.body
    sampling = {name: body[name] for name in ("model", "temperature", "top_p", "max_tokens", "seed", "stream")}
    assert sampling == {
        "model": "large",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 4,
        "seed": 7,
        "stream": True,
    }
    assert body["stream_options"] == {"include_usage": True}
    assert body["tools"][0]["function"] == {
        "name": "look_up",
        "description": "Looks up.",
        "parameters": {"type": "object"},
    }
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool", "user"]
    assert "BCP 47 tag es" in body["messages"][0]["content"]
    assert body["messages"][2]["tool_calls"][0]["function"] == {"name": "look_up", "arguments": "{}"}
    assert body["messages"][3]["tool_call_id"] == "c1"


async def test_usage_with_cached_tokens() -> None:
    async with engine_on(talkative) as (engine, _):
        last = (await collect(engine, asking()))[-1]
    assert last == Finished(FinishReason.STOP, Usage(12, 6, 8))


async def test_cancelling_closes_the_connection_at_the_server() -> None:
    async with engine_on(talkative) as (engine, server):
        events = engine.generate(asking("talk slowly"))
        assert await anext(events) == TextDelta("one")
        [exchange] = server.exchanges
        assert not exchange.closed_by_client.is_set()
        await events.aclose()
        await exchange.closed_by_client.wait()
        assert engine.running == 0


async def test_two_tool_calls_in_pieces_are_put_together() -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.delta(content="Let me see.")
        for index, name in enumerate(("first", "second")):
            piece = {"index": index, "id": f"c{index}", "function": {"name": name, "arguments": '{"n"'}}
            await exchange.delta(tool_calls=[piece])
        for index in (1, 0):
            await exchange.delta(tool_calls=[{"index": index, "function": {"arguments": f": {index}}}"}}])
        await exchange.end("tool_calls", 5)

    async with engine_on(behave) as (engine, _):
        events = await collect(engine, asking())
    calls = [event for event in events if isinstance(event, ToolCall)]
    assert calls == [ToolCall("c0", "first", '{"n": 0}'), ToolCall("c1", "second", '{"n": 1}')]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason is FinishReason.TOOL_CALLS


async def test_events_cut_anywhere_and_odd_line_ends_are_read_whole() -> None:
    chunk = {"choices": [{"delta": {"content": "caf\u00e9\u2028"}, "finish_reason": "stop"}]}
    stream = (
        f": ping\r\n\r\nevent: message\r\ndata: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\ndata: [DONE]".encode()
    )

    async def behave(exchange: Exchange) -> None:
        await exchange.open_stream()
        for byte in stream:
            await exchange.send_bytes(bytes([byte]))

    async with engine_on(behave) as (engine, _):
        events = await collect(engine, asking())
    assert events == [TextDelta("caf\u00e9\u2028"), Finished(FinishReason.STOP)]


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (401, EngineFault, "PARLEY_LLM_OPENAI_API_KEY"),
        (404, EngineFault, "PARLEY_LLM_OPENAI_MODEL"),
        (400, EngineFault, "HTTP 400, bad_thing"),
        (500, EngineFault, "HTTP 500"),
        (503, EngineFault, "HTTP 503"),
        (429, Overloaded, "429"),
    ],
)
async def test_http_errors_are_mapped_and_never_quote_the_caller(
    status: int, kind: type[ParleyError], says: str
) -> None:
    async def behave(exchange: Exchange) -> None:
        error = {"error": {"message": "you said: my secret", "code": "bad_thing"}}
        await exchange.answer(status, json.dumps(error), "Retry-After: 2\r\n")

    failure = await failure_of(behave)
    assert type(failure) is kind
    assert says in str(failure)
    assert "secret" not in str(failure)
    if isinstance(failure, Overloaded):
        assert failure.retry_after_ms == 2000


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("<html>a proxy's page</html>\n", "no event stream"),
        ("data: {oops\n\n", "no JSON object"),
        ("data: [1]\n\n", "no JSON object"),
        ('data: {"choices": [7]}\n\n', "no list of objects"),
        ('data: {"choices": [{"delta": {"content": 7}}]}\n\n', "no text"),
        ('data: {"choices": [{"delta": {"tool_calls": "x"}}]}\n\n', "shape"),
        ('data: {"choices": [{"delta": {"tool_calls": [{"index": 999, "function": {}}]}}]}\n\n', "at most"),
        ('data: {"choices": [{"delta": {"content": "half a"}}]}\n\n', "ended the stream early"),
        ("data: [DONE]\n\n", "ended the stream early"),
        ('data: {"error": {"code": "overheated"}}\n\n', "failed in mid-stream, overheated"),
        ("data: " + "x" * 2_000_000, "line of more than"),
    ],
)
async def test_a_stream_of_rubbish_is_a_fault(raw: str, says: str) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.send(raw)

    failure = await failure_of(behave)
    assert isinstance(failure, EngineFault)
    assert says in str(failure)


async def test_a_server_that_says_nothing_is_a_fault() -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.closed_by_client.wait()

    assert "sent nothing for 50 ms" in str(await failure_of(behave, openai_stall_timeout_ms=50))


async def test_a_server_that_is_down_is_a_fault_that_names_the_setting() -> None:
    engine = OpenAiEngine(LlmSettings(openai_base_url="http://127.0.0.1:9/v1", openai_model="m"))
    with pytest.raises(EngineFault, match="PARLEY_LLM_OPENAI_BASE_URL=http://127"):
        await collect(engine, asking())
    assert engine.running == 0
    await engine.close()


async def test_more_requests_than_connections_are_refused_at_once() -> None:
    async with engine_on(talkative, openai_max_connections=1) as (engine, _):
        first = engine.generate(asking("talk slowly"))
        await anext(first)
        with pytest.raises(Overloaded, match="all 1 connections"):
            await collect(engine, asking())
        await first.aclose()
        assert len(await collect(engine, asking())) > 1


async def test_start_waits_for_the_server_and_then_gives_up() -> None:
    async with engine_on(talkative, openai_start_timeout_ms=100) as (engine, server):
        await engine.start()
        server.models_status = 404
        await engine.start()
        server.models_status = 503
        with pytest.raises(NotReady, match="PARLEY_LLM_OPENAI_BASE_URL"):
            await engine.start()
        server.models_status = 401
        with pytest.raises(EngineFault, match="PARLEY_LLM_OPENAI_API_KEY"):
            await engine.start()


async def test_prefill_sends_one_token_where_it_is_allowed() -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.answer(200, json.dumps({"choices": [], "usage": {"prompt_tokens": 30}}))

    async with engine_on(behave, openai_prefill=True) as (engine, server):
        assert await engine.prefill(asking()) == 30
        assert server.exchanges[0].body["max_tokens"] == 1
        assert server.exchanges[0].body["stream"] is False
    async with engine_on(behave) as (engine, server):
        assert await engine.prefill(asking()) == 0
        assert server.exchanges == []


async def test_a_request_without_a_model_is_refused() -> None:
    async with engine_on(talkative, openai_model="") as (engine, _):
        with pytest.raises(InvalidInput, match="PARLEY_LLM_OPENAI_MODEL"):
            await collect(engine, asking())


def test_the_key_is_in_no_log() -> None:
    settings = LlmSettings.model_validate({"openai_api_key": "sesame"})
    assert "sesame" not in str(settings.redacted())
    assert "sesame" not in repr(settings)
