"""A model that calls what it cannot: it is told, and puts it right in the same answer; twice is a failure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from voice.llm.v1 import llm_pb2, llm_pb2_grpc
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common import metrics
from services.llm.mending import NOT_RUN
from services.llm.servicer import LlmService
from services.llm.settings import LlmSettings
from tests.integration.llm.model_server import Exchange, ModelServer, model_server
from tests.integration.llm.test_servicer import config, generate, refused, tool
from tests.support.caller import calling
from tests.support.metrics import metered, scrape
from tests.support.servers import serving
from tests.support.stack import stack
from tests.support.tools import agent_with

pytestmark = pytest.mark.integration

DEADLINE_S = 5
SCHEMA = '{"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}'
BOOK = tool(SCHEMA)
GOOD = ("book", '{"day": "monday"}')
INVENTED = ("reserve", '{"day": "monday"}')
UNFIT = ("book", '{"day": 1}')
CUT_SHORT = ("book", '{"day": "mon')
Said = str | tuple[str, str]


def saying(*messages: list[Said]) -> Any:
    """Return a model that makes these messages, of text and calls, and then the last one over and over."""
    asked = iter(range(1_000))

    async def behave(exchange: Exchange) -> None:
        await exchange.open_stream()
        turn = min(next(asked), len(messages) - 1)
        calls = 0
        for said in messages[turn]:
            if isinstance(said, str):
                await exchange.delta(content=said)
                continue
            name, arguments = said
            function = {"name": name, "arguments": arguments}
            await exchange.delta(tool_calls=[{"index": calls, "id": f"c{turn}_{calls}", "function": function}])
            calls += 1
        is_cut = CUT_SHORT in messages[turn]
        await exchange.end("length" if is_cut else "tool_calls" if calls else "stop", 3)

    return behave


@asynccontextmanager
async def served(*messages: list[Said]) -> AsyncIterator[tuple[ModelServer, llm_pb2_grpc.LanguageModelAsyncStub]]:
    async with model_server(saying(*messages)) as model:
        settings = {"engine": "openai", "port": 0, "openai_base_url": model.base_url, "openai_model": "small"}
        chosen = LlmSettings.model_validate(settings)
        async with serving(LlmService(chosen), chosen) as (_, channel), asyncio.timeout(DEADLINE_S):
            yield model, cast("llm_pb2_grpc.LanguageModelAsyncStub", llm_pb2_grpc.LanguageModelStub(channel))


def text_of(responses: list[llm_pb2.GenerateResponse]) -> str:
    return "".join(response.text_delta.text for response in responses)


def calls_of(responses: list[llm_pb2.GenerateResponse]) -> list[tuple[str, str]]:
    return [
        (response.tool_call.name, response.tool_call.arguments_json)
        for response in responses
        if response.HasField("tool_call")
    ]


@pytest.mark.parametrize(
    ("bad", "kind", "shown", "told"),
    [
        (INVENTED, "unknown", INVENTED, "there is no tool reserve; those that there are: book, end_call"),
        (("to book!", "{}"), "unknown", ("to_book_", "{}"), "there is no tool to book!"),
        (("", "{}"), "unknown", ("unknown", "{}"), "there is no tool "),
        (UNFIT, "arguments", UNFIT, "1 is not of type 'string'"),
        (CUT_SHORT, "arguments", ("book", "{}"), "are no JSON, or were cut short"),
        (("book", "[]"), "arguments", ("book", "{}"), "are no JSON object"),
        (("book", json.dumps({"day": "x" * 70_000})), "arguments", None, "are too long"),
    ],
)
async def test_the_model_is_told_what_is_wrong_and_puts_it_right(
    bad: tuple[str, str], kind: str, shown: tuple[str, str] | None, told: str
) -> None:
    async with metered() as port, served(["Let me look.", bad], ["I will book it.", GOOD]) as (model, stub):
        responses = await generate(stub, config(tools=[BOOK, tool(name="end_call")]))
        assert (await scrape(port)).value(metrics.LLM_CALLS_REFUSED, kind=kind) == 1
    assert text_of(responses) == "Let me look.\nI will book it."
    assert calls_of(responses) == [GOOD]
    assert responses[-1].finished.reason == llm_pb2.FINISH_REASON_TOOL_CALLS
    assert responses[-1].finished.usage.completion_tokens == 6
    first, second = (exchange.body for exchange in model.exchanges)
    assert second["messages"][: len(first["messages"])] == first["messages"]
    assert {name: second[name] for name in second if name != "messages"} == {
        name: first[name] for name in first if name != "messages"
    }
    message, result = second["messages"][len(first["messages"]) :]
    assert (message["role"], message["content"]) == ("assistant", "Let me look.")
    function = message["tool_calls"][0]["function"]
    if shown is not None:
        assert (function["name"], function["arguments"]) == shown
    assert (result["role"], result["tool_call_id"]) == ("tool", message["tool_calls"][0]["id"])
    assert told in json.loads(result["content"])["error"]


async def test_of_calls_that_come_together_none_leaves_where_one_is_bad() -> None:
    async with served([GOOD, INVENTED], [GOOD, ("book", '{"day": "friday"}')]) as (model, stub):
        responses = await generate(stub, config(tools=[BOOK]))
    assert calls_of(responses) == [GOOD, ("book", '{"day": "friday"}')]
    results = [json.loads(message["content"])["error"] for message in model.exchanges[1].body["messages"][-2:]]
    assert results == [NOT_RUN, "there is no tool reserve; those that there are: book"]


@pytest.mark.parametrize("bad", [INVENTED, UNFIT, CUT_SHORT])
async def test_a_model_that_does_it_again_has_failed(bad: tuple[str, str]) -> None:
    async with served([bad]) as (model, stub):
        status, says = await refused(stub, config(tools=[BOOK]))
        assert (status, len(model.exchanges)) == (grpc.StatusCode.INTERNAL, 2)
        assert "the engine called" in says
        assert 'day":' not in says


async def test_the_caller_is_answered_and_hears_of_no_call(tmp_path: Path) -> None:
    async with model_server(saying(["One moment.", INVENTED], ["It is open until six."])) as model:
        llm = {"engine": "openai", "openai_base_url": model.base_url, "openai_model": "small"}
        agent = agent_with("http://127.0.0.1:9/tool")
        async with stack(tmp_path, agent=agent, llm=llm) as parts, calling(parts.channel) as caller:
            since = caller.mark()
            await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="until when are you open")))
            summary = await caller.kind("turn_summary", since)
            assert (summary.outcome, summary.heard_text) == ("", "One moment. It is open until six.")
            assert not caller.all("error", since)
            assert not caller.all("tool_call", since)
