"""What every language model engine does, through its Protocol and through the real servicer on a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import grpc
import grpc.aio
import pytest
from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2, llm_pb2_grpc

from services.common.registry import load_engine
from services.common.server import Server
from services.llm.engine import (
    Begun,
    Finished,
    FinishReason,
    GenerationRequest,
    LlmEngine,
    LlmEvent,
    Message,
    Role,
    Sampling,
    TextDelta,
    Tool,
    ToolCall,
)
from services.llm.engines import ENGINES
from services.llm.servicer import LlmService
from services.llm.settings import LlmSettings
from tests.integration.llm import vllm_stand_in
from tests.integration.llm.model_server import model_server, talkative
from tests.support.servers import serving

pytestmark = pytest.mark.contract

DEADLINE_S = 5
SCHEMA = {
    "type": "object",
    "properties": {"day": {"type": "string", "enum": ["monday", "tuesday"]}},
    "required": ["day"],
    "additionalProperties": False,
}
LOOK_UP = Tool("look_up", "Looks up a day.", json.dumps(SCHEMA))
WRONG_LOOK_UP = Tool("look_up", "Wants a number.", json.dumps({**SCHEMA, "properties": {"day": {"type": "integer"}}}))
STAND_INS = ("fake", "rules")
MODELS = Path(".models/test")
TINY = {
    "models_dir": MODELS,
    "ctranslate2_model": "llama-tiny",
    "ctranslate2_temperature": 0,
    "ctranslate2_threads": 1,
}
"""The real library with a model that has learned what this suite says (`make test-models`)."""
ENDLESS = {"ctranslate2_max_tokens": 1_000_000, "ctranslate2_context_tokens": 2_000_000}
"""Told "talk slowly", that model counts until it is stopped."""
VLLM_ENDLESS = {"vllm_max_tokens": 1_000_000, "vllm_max_model_len": 2_000_000}
SCRIPT = """
script: contract
entities:
  day: {type: weekday}
intents:
  talk: {phrases: [talk], say: one two three four five six}
forms:
  looking:
    phrases: [call]
    slots: {day: day}
    steps:
      - {slot: day, ask: "Which day?"}
      - call: look_up
        with: {day: "{day}"}
        results: [{go_on: true}]
        failed: It failed.
      - say: Done.
fallback: What?
"""


@dataclass(frozen=True)
class Case:
    """One engine, with settings under which it talks when told "talk" and calls look_up when told "call tuesday".

    Told "talk slowly" under `slow`, it says a word and then nothing, or goes on talking, for minutes.
    """

    name: str
    fast: LlmSettings
    slow: LlmSettings
    model: str = "contract"
    """A model that it knows."""
    label: str = ""
    """What it says of that model, where it is not the name alone."""
    is_constrained: bool = False
    """Whether it cannot write a call that breaks its schema."""

    def engine(self, settings: LlmSettings) -> LlmEngine:
        """Return a fresh engine."""
        engine: LlmEngine = load_engine(ENGINES, self.name, setting="")(settings)
        return engine


@pytest.fixture(params=sorted(ENGINES))
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    common = {"engine": request.param, "port": 0}
    match request.param:
        case "fake":
            told = {"fake_reply": "one two three four five six", "fake_words_per_delta": 1}
            tool = {"fake_tool_when": "call", "fake_tool_name": "look_up", "fake_tool_arguments": '{"day": "tuesday"}'}
            fast = LlmSettings.model_validate({**common, **told, **tool})
            yield Case("fake", fast, fast.model_copy(update={"fake_delta_delay_ms": 300_000.0}), label="fake")
        case "rules":
            (tmp_path / "contract.yaml").write_text(SCRIPT)
            fast = LlmSettings.model_validate({**common, "rules_dir": tmp_path})
            slow = fast.model_copy(update={"rules_word_delay_ms": 300_000.0})
            yield Case("rules", fast, slow, label="rules script contract")
        case "openai":
            async with model_server(talkative) as server:
                fast = LlmSettings.model_validate(
                    {
                        **common,
                        "openai_base_url": server.base_url,
                        "openai_model": "m",
                        "openai_stall_timeout_ms": 300_000,
                    }
                )
                yield Case("openai", fast, fast)
        case "vllm":
            # Scripted, with the real one's signatures (`vllm.check` compares them); `over_real_vllm` runs the real one.
            vllm_stand_in.install()
            fast = LlmSettings.model_validate({**common, "models_dir": MODELS, "vllm_model": "llama-tiny"})
            yield Case("vllm", fast, fast.model_copy(update=VLLM_ENDLESS), "llama-tiny", is_constrained=True)
        case "ctranslate2":
            fast = LlmSettings.model_validate({**common, **TINY})
            yield Case("ctranslate2", fast, fast.model_copy(update=ENDLESS), "llama-tiny")
        case other:
            raise AssertionError(f"engine {other} has no case: add one, every engine passes this suite")


@asynccontextmanager
async def started(case: Case, settings: LlmSettings) -> AsyncIterator[LlmEngine]:
    engine = case.engine(settings)
    async with asyncio.timeout(DEADLINE_S):
        await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def asking(text: str, tool: Tool | None = None, max_tokens: int | None = None) -> GenerationRequest:
    messages = (Message(Role.SYSTEM, "be brief"), Message(Role.USER, text))
    return GenerationRequest(messages, tools=(tool,) if tool else (), sampling=Sampling(max_tokens=max_tokens))


async def collect(engine: LlmEngine, request: GenerationRequest) -> list[LlmEvent]:
    async with asyncio.timeout(DEADLINE_S), aclosing(engine.generate(request)) as events:
        return [event async for event in events]


def text_of(events: list[LlmEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta)).strip()


async def test_streams_deltas_and_finishes_last_exactly_once(case: Case) -> None:
    async with started(case, case.fast) as engine:
        events = await collect(engine, asking("talk"))
        assert text_of(events) == "one two three four five six"
        assert len([event for event in events if isinstance(event, TextDelta)]) > 1
        assert [event for event in events if isinstance(event, Finished)] == [events[-1]]
        last = events[-1]
        assert isinstance(last, Finished)
        assert last.reason is FinishReason.STOP
        assert last.usage.prompt_tokens > 0
        assert last.usage.completion_tokens == 6
        assert engine.running == 0


async def test_stops_at_max_tokens(case: Case) -> None:
    async with started(case, case.fast) as engine:
        events = await collect(engine, asking("talk", max_tokens=2))
        assert text_of(events) == "one two"
        last = events[-1]
        assert isinstance(last, Finished)
        assert last.reason is FinishReason.LENGTH


async def test_closing_midway_releases_the_request(case: Case) -> None:
    async with started(case, case.slow) as engine:
        events = engine.generate(asking("talk slowly"))
        async with asyncio.timeout(DEADLINE_S):
            while not isinstance(await anext(events), TextDelta):
                pass
            assert engine.running == 1
            await events.aclose()
        assert engine.running == 0


async def test_cancelling_the_task_releases_the_request(case: Case) -> None:
    async with started(case, case.slow) as engine:
        began = asyncio.Event()

        async def iterate() -> None:
            async with aclosing(engine.generate(asking("talk slowly"))) as events:
                async for _ in events:
                    began.set()

        async with asyncio.timeout(DEADLINE_S):
            task = asyncio.create_task(iterate())
            await began.wait()
            task.cancel()
            await asyncio.wait({task})
        assert task.cancelled()
        assert engine.running == 0


async def test_a_tool_call_is_complete(case: Case) -> None:
    async with started(case, case.fast) as engine:
        events = await collect(engine, asking("call tuesday", LOOK_UP))
        calls = [event for event in events if isinstance(event, ToolCall)]
        assert [(call.name, json.loads(call.arguments_json)) for call in calls] == [("look_up", {"day": "tuesday"})]
        assert calls[0].id
        last = events[-1]
        assert isinstance(last, Finished)
        assert last.reason is FinishReason.TOOL_CALLS


async def test_many_generations_at_once(case: Case) -> None:
    async with started(case, case.fast) as engine:
        runs = await asyncio.gather(*(collect(engine, asking("talk")) for _ in range(20)))
        assert {text_of(events) for events in runs} == {"one two three four five six"}
        assert engine.running == 0


async def test_the_queue_is_told_before_all_output(case: Case) -> None:
    async with started(case, case.fast) as engine:
        first, *others = await collect(engine, asking("call tuesday", LOOK_UP))
        assert isinstance(first, Begun) == (case.name in ("vllm", "ctranslate2"))
        assert not [event for event in others if isinstance(event, Begun)]


async def test_says_what_it_is(case: Case) -> None:
    async with started(case, case.fast) as engine:
        assert engine.capabilities.name == case.name
        assert engine.capabilities.is_language_model == (case.name not in STAND_INS)
        assert engine.model_label(case.model) == (case.label or case.model)


async def test_prefill_tells_what_is_cached(case: Case) -> None:
    async with started(case, case.fast) as engine:
        for _ in range(2):
            async with asyncio.timeout(DEADLINE_S):
                cached = await engine.prefill(asking("talk", LOOK_UP))
            assert (cached > 0) == engine.capabilities.has_prefix_cache
            assert engine.running == 0
        # What is warmed is not said twice, and not left out.
        assert text_of(await collect(engine, asking("talk", LOOK_UP))) == "one two three four five six"


# --- the same through the servicer ---


def config(text: str, tool: Tool | None = None) -> llm_pb2.GenerateRequest:
    messages = [llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, content=text)]
    tools = [llm_pb2.ToolDefinition(name=tool.name, parameters_json_schema=tool.parameters_json_schema)] if tool else []
    return llm_pb2.GenerateRequest(
        config=llm_pb2.GenerateConfig(session_id="s", turn_epoch=7, messages=messages, tools=tools)
    )


@dataclass
class Served:
    """The engine behind its servicer, on a real server."""

    server: Server
    service: LlmService
    stub: llm_pb2_grpc.LanguageModelAsyncStub

    async def released(self) -> None:
        """Wait until no RPC runs any more, then require that the engine holds nothing."""
        async with asyncio.timeout(DEADLINE_S):
            await self.server.interceptor.wait_idle()
        assert self.service.running == 0


def served(case: Case, settings: LlmSettings) -> AbstractAsyncContextManager[Served]:
    @asynccontextmanager
    async def serve() -> AsyncIterator[Served]:
        service = LlmService(settings)
        async with serving(service, settings) as (server, channel):
            stub = cast("llm_pb2_grpc.LanguageModelAsyncStub", llm_pb2_grpc.LanguageModelStub(channel))
            yield Served(server, service, stub)

    return serve()


async def generate(served: Served, request: llm_pb2.GenerateRequest) -> list[llm_pb2.GenerateResponse]:
    call = served.stub.Generate(timeout=DEADLINE_S)
    await call.write(request)
    return [response async for response in call]


async def test_served_ready_first_then_text_then_finished(case: Case) -> None:
    async with served(case, case.fast) as running:
        responses = await generate(running, config("talk"))
        kinds = [response.WhichOneof("event") for response in responses]
        assert kinds[0] == "ready"
        assert kinds[-1] == "finished"
        assert set(kinds[1:-1]) == {"text_delta"}
        assert {response.turn_epoch for response in responses} == {7}
        assert responses[0].ready.info.engine == case.name
        text = "".join(response.text_delta.text for response in responses)
        assert text.strip() == "one two three four five six"
        assert responses[-1].finished.reason == llm_pb2.FINISH_REASON_STOP
        assert responses[-1].finished.usage.completion_tokens == 6
        for timing in (response.timing for response in responses):
            assert timing.received_to_sent_us >= timing.queue_us + timing.engine_us
        await running.released()


async def test_served_cancel_aborts_and_is_answered(case: Case) -> None:
    async with served(case, case.slow) as running:
        call = running.stub.Generate(timeout=DEADLINE_S)
        await call.write(config("talk slowly"))
        responses = []
        async for response in call:
            responses.append(response)
            if len(responses) == 2:
                assert response.WhichOneof("event") == "text_delta"
                assert running.service.running == 1
                await call.write(llm_pb2.GenerateRequest(cancel=llm_pb2.CancelGeneration()))
        assert responses[-1].finished.reason == llm_pb2.FINISH_REASON_CANCELLED
        assert await call.code() == grpc.StatusCode.OK
        await running.released()


@pytest.mark.parametrize("way", ["cancels the call", "half-closes", "finishes, then cancels the call"])
async def test_served_a_client_that_vanishes_releases_the_request(case: Case, way: str) -> None:
    async with served(case, case.slow) as running:
        call = running.stub.Generate(timeout=DEADLINE_S)
        await call.write(config("talk slowly"))
        if way.startswith("finishes"):
            await call.write(llm_pb2.GenerateRequest(finish=common_pb2.FinishInput()))
        async for response in call:
            if response.WhichOneof("event") == "text_delta":
                break
        assert running.service.running == 1
        if way == "half-closes":
            await call.done_writing()
        else:
            call.cancel()
        await running.released()


async def test_served_a_valid_tool_call_leaves(case: Case) -> None:
    async with served(case, case.fast) as running:
        responses = await generate(running, config("call tuesday", LOOK_UP))
        calls = [response.tool_call for response in responses if response.WhichOneof("event") == "tool_call"]
        assert [(call.name, json.loads(call.arguments_json)) for call in calls] == [("look_up", {"day": "tuesday"})]
        assert responses[-1].finished.reason == llm_pb2.FINISH_REASON_TOOL_CALLS
        await running.released()


async def test_served_an_invalid_tool_call_never_leaves(case: Case) -> None:
    async with served(case, case.fast) as running:
        call = running.stub.Generate(timeout=DEADLINE_S)
        await call.write(config("call tuesday", WRONG_LOOK_UP))
        responses, failure = [], None
        try:
            responses += [response async for response in call]
        except grpc.aio.AioRpcError as error:
            failure = error
            assert failure.code() == grpc.StatusCode.INTERNAL
            assert "look_up" in (failure.details() or "")
            assert "tuesday" not in (failure.details() or "")
        assert failure is not None or case.name not in STAND_INS  # a language model is told, and may put it right
        calls = [response.tool_call for response in responses if response.WhichOneof("event") == "tool_call"]
        assert [type(json.loads(call.arguments_json)["day"]) for call in calls] == [int] * case.is_constrained
        await running.released()


async def test_served_one_bad_stream_does_not_disturb_the_others(case: Case) -> None:
    tool = Tool("look_up", "Has no schema.", "{}") if case.is_constrained else WRONG_LOOK_UP
    async with served(case, case.fast) as running:
        good = [generate(running, config("talk")) for _ in range(8)]
        bad = [generate(running, config("call tuesday", tool)) for _ in range(2)]
        results = await asyncio.gather(*good, *bad, return_exceptions=True)
        for result in results[:8]:
            assert isinstance(result, list)
            assert result[-1].finished.reason == llm_pb2.FINISH_REASON_STOP
        assert all(isinstance(result, grpc.aio.AioRpcError) or case.name not in STAND_INS for result in results[8:])
        await running.released()
