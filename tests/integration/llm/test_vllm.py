"""The vLLM engine over a stand-in with vLLM's signatures: what the contract suite does not ask."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from voice.llm.v1 import llm_pb2, llm_pb2_grpc

from services.common.errors import EngineDead, EngineFault, InvalidInput, NotReady
from services.common.registry import load_engine
from services.llm.engine import (
    Finished,
    FinishReason,
    GenerationRequest,
    LlmEngine,
    LlmEvent,
    Message,
    MortalEngine,
    Priority,
    Role,
    Sampling,
    TextDelta,
    Tool,
    ToolCall,
)
from services.llm.engines import ENGINES
from services.llm.engines.vllm.arguments import engine_arguments
from services.llm.engines.vllm.signatures import differences
from services.llm.servicer import LlmService
from services.llm.settings import LlmSettings
from tests.integration.llm import vllm_stand_in
from tests.integration.llm.vllm_core import BLOCK
from tests.integration.llm.vllm_stand_in import AsyncLLM
from tests.support.servers import serving

pytestmark = pytest.mark.integration

DEADLINE_S = 10
SCHEMA = {"type": "object", "properties": {"day": {"type": "string", "enum": ["monday", "tuesday"]}}}
LOOK_UP = Tool("look_up", "Looks up a day.", json.dumps(SCHEMA))
SYSTEM = Message(Role.SYSTEM, "be kind and helpful to the caller of this line " * 4)
ENDLESS = {"max_tokens": 1_000_000, "max_model_len": 2_000_000}


@pytest.fixture(autouse=True)
def _library() -> None:
    vllm_stand_in.install()


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


# --- signatures and settings ---


def test_the_stand_in_is_as_the_record_of_the_real_one_says() -> None:
    assert differences([*engine_arguments(settings(), Path()), "structured_outputs_config"]) == []


def test_a_library_that_has_changed_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async def generate(self: object, prompt: object, params: object) -> None: ...

    monkeypatch.setattr(AsyncLLM, "generate", generate)
    monkeypatch.delattr(AsyncLLM, "errored")
    told = "\n".join(differences(["model", "no_such_argument"]))
    assert "AsyncLLM.generate: takes (self, prompt, params), recorded is (self, prompt, sampling_params," in told
    assert "lacks errored" in told
    assert "AsyncEngineArgs: lacks no_such_argument" in told


async def test_the_settings_reach_the_library() -> None:
    async with started(max_num_seqs=7) as (_, llm):
        arguments = llm.engine_args
        assert (arguments.max_num_seqs, arguments.scheduling_policy, arguments.enable_prefix_caching) == (
            7,
            "priority",
            True,
        )
        assert arguments.structured_outputs_config.backend == "xgrammar"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "Qwen3-8B"}, "parley models pull Qwen3-8B"),
        ({"tool_parser": "morse"}, "TOOL_PARSER.*brackets, hermes"),
        ({"tool_parser": "picky"}, "does not fit the model: could not locate the bot token"),
        ({"max_num_batched_tokens": 1}, "refuses the settings"),
        ({"extra_args": {"no_such_argument": 1}}, "refuses the settings"),
    ],
)
async def test_what_cannot_start_says_why(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        async with started(**changes):
            pass


# --- prefixes and priorities ---


async def test_a_tenant_finds_its_own_prefixes_and_nobody_elses() -> None:
    async with started() as (engine, _):
        runs = [cached(await collect(engine, asking("talk", tenant=tenant))) for tenant in ("a", "a", "b", "", "")]
        assert runs[0] == runs[2] == runs[3] == 0
        assert runs[1] == runs[4] >= BLOCK


async def test_prefill_warms_what_the_next_turn_begins_with() -> None:
    async with started() as (engine, llm):
        history = GenerationRequest(
            (SYSTEM, Message(Role.USER, "talk"), Message(Role.ASSISTANT, "one two")), tools=(LOOK_UP,), tenant="t"
        )
        warmed = await engine.prefill(history)
        assert warmed >= BLOCK
        (asked,) = llm.requests
        assert (asked["priority"], asked["params"].max_tokens) == (Priority.PREFILL.value, 1)
        following = dataclasses.replace(history, messages=(*history.messages, Message(Role.USER, "hello")))
        assert cached(await collect(engine, following)) == warmed
        assert engine.running == 0


async def test_prefill_that_is_cancelled_leaves_nothing_behind() -> None:
    async with started() as (engine, llm):
        llm.core.is_stuck = True
        warming = asyncio.create_task(engine.prefill(asking("talk")))
        async with asyncio.timeout(DEADLINE_S):
            while engine.running == 0:  # noqa: ASYNC110 - the count is what is tested
                await asyncio.sleep(0)
        warming.cancel()
        await asyncio.wait({warming})
        assert engine.running == 0
        assert not llm.core.waiting


async def test_live_turns_come_before_speculation_before_prefill() -> None:
    async with started(max_num_seqs=1) as (engine, llm):
        llm.core.is_stuck = True
        wanted = [Priority.SPECULATIVE, Priority.LIVE, Priority.SPECULATIVE, Priority.LIVE]
        tasks = [asyncio.create_task(engine.prefill(asking("hello")))]
        tasks += [asyncio.create_task(_count(engine, asking("talk", priority=priority))) for priority in wanted]
        async with asyncio.timeout(DEADLINE_S):
            while len(llm.core.waiting) < 5:  # noqa: ASYNC110
                await asyncio.sleep(0)
            llm.core.is_stuck = False
            llm.core.wake()
            await asyncio.gather(*tasks)
        assert [request.priority for request in llm.core.log] == [0, 0, 1, 1, 2]


async def _count(engine: LlmEngine, request: GenerationRequest) -> int:
    return len(await collect(engine, request))


async def test_the_trace_goes_on_in_the_library() -> None:
    tracer = TracerProvider().get_tracer("test")
    async with started() as (engine, llm):
        await collect(engine, asking("talk"))
        with tracer.start_as_current_span("turn") as span:
            await collect(engine, asking("talk"))
        untraced, traced = llm.requests
        assert untraced["trace"] is None
        assert trace.format_trace_id(span.get_span_context().trace_id) in traced["trace"]["traceparent"]


# --- replies ---


async def test_text_before_a_call_leaves_first_and_thinking_never() -> None:
    async with started() as (engine, llm):
        events = await collect(engine, asking("call think tuesday", LOOK_UP))
        assert text_of(events).strip() == "Yes."
        assert calls_of(events) == [("look_up", {"day": "tuesday"})]
        assert isinstance(events[0], TextDelta)
        assert isinstance(events[-2], ToolCall)
        assert llm.requests[0]["params"].skip_special_tokens is False


async def test_a_call_can_only_become_one_that_fits() -> None:
    async with started() as (engine, _):
        assert calls_of(await collect(engine, asking("call wednesday", LOOK_UP))) == [("look_up", {"day": "monday"})]


async def test_without_tools_nothing_is_constrained() -> None:
    async with started() as (engine, llm):
        await collect(engine, asking("talk"))
        assert llm.requests[0]["params"].structured_outputs is None


async def test_another_models_parser_streams_a_call_that_leaves_whole() -> None:
    async with started(tool_parser="brackets") as (engine, llm):
        events = await collect(engine, asking("call think brackets tuesday", LOOK_UP))
        assert llm.requests[0]["params"].structured_outputs is None
        assert text_of(events).strip() == "Yes."
        assert calls_of(events) == [("look_up", {"day": "tuesday"})]
        assert cast("Finished", events[-1]).reason is FinishReason.TOOL_CALLS


async def test_a_parser_that_breaks_fails_its_own_turn() -> None:
    async with started(tool_parser="brackets") as (engine, _):
        with pytest.raises(EngineFault, match="KeyError"):
            await collect(engine, asking("call brackets broken", LOOK_UP))
        assert text_of(await collect(engine, asking("talk", LOOK_UP))) == "one two three four five six"


async def test_sampling_is_the_requests_or_else_the_settings() -> None:
    async with started(temperature=0.5, max_tokens=100) as (engine, llm):
        await collect(engine, asking("talk"))
        await collect(engine, asking("talk", sampling=Sampling(temperature=0, top_p=0.3, max_tokens=3, seed=1 << 63)))
        mine, own = (asked["params"] for asked in llm.requests)
        assert (mine.temperature, mine.top_p, mine.top_k, mine.max_tokens, mine.seed) == (0.5, 0.8, 20, 100, None)
        assert (own.temperature, own.top_p, own.max_tokens, own.seed) == (0, 0.3, 3, 0)


async def test_a_slow_reader_finds_the_rest_in_one_piece() -> None:
    async with started() as (engine, llm), aclosing(engine.generate(asking("talk"))) as events:
        async with asyncio.timeout(DEADLINE_S):
            first = await anext(events)
            while llm.core.running:  # noqa: ASYNC110 - the core goes on though nobody reads
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            rest = [event async for event in events]
        assert isinstance(first, TextDelta)
        assert len(rest) == 2
        assert first.text + text_of(rest) == "one two three four five six"


# --- leaving ---


async def test_a_request_that_is_left_is_aborted_in_the_library() -> None:
    async with started(**ENDLESS) as (engine, llm):
        events = engine.generate(asking("talk slowly"))
        await anext(events)
        assert (engine.running, len(llm.core.running)) == (1, 1)
        await events.aclose()
        assert (engine.running, len(llm.core.running)) == (0, 0)


async def test_a_request_that_is_left_while_it_is_being_added_is_aborted_too() -> None:
    async with started() as (engine, llm):
        llm.adding.clear()
        asked = asyncio.create_task(_count(engine, asking("talk")))
        async with asyncio.timeout(DEADLINE_S):
            while engine.running == 0:  # noqa: ASYNC110
                await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait({asked})
        assert engine.running == 0


# --- faults ---


async def test_a_failed_request_is_a_fault_of_its_own() -> None:
    async with started() as (engine, llm):
        llm.failure = RuntimeError("out of pages")
        with pytest.raises(EngineFault, match="RuntimeError"):
            await collect(engine, asking("talk"))
        llm.failure = None
        assert text_of(await collect(engine, asking("talk"))) == "one two three four five six"


async def test_a_refusal_does_not_quote_the_caller() -> None:
    async with started() as (engine, llm):
        llm.failure = ValueError("prompt 'my card number is 4000'")
        with pytest.raises(InvalidInput, match="refuses the request") as refusal:
            await collect(engine, asking("talk"))
        assert "card" not in str(refusal.value)


async def test_a_conversation_that_is_too_long_is_refused() -> None:
    async with started(max_model_len=40) as (engine, _):
        for ask in (lambda: collect(engine, asking("talk")), lambda: engine.prefill(asking("talk"))):
            with pytest.raises(InvalidInput, match="MAX_MODEL_LEN"):
                await ask()


async def test_another_model_is_refused_and_a_closed_engine_is_not_ready() -> None:
    async with started() as (engine, llm):
        with pytest.raises(InvalidInput, match="llama-tiny"):
            engine.model_label("gpt-4")
    assert llm.shut_down_within == 5
    with pytest.raises(NotReady):
        await collect(engine, asking("talk"))


# --- death ---


async def test_a_process_that_dies_under_a_request_is_a_dead_engine() -> None:
    async with started(**ENDLESS) as (engine, llm), aclosing(engine.generate(asking("talk slowly"))) as events:
        await anext(events)
        llm.die()
        with pytest.raises(EngineDead):
            await exhausted(events)
        assert isinstance(engine, MortalEngine)
        with pytest.raises(EngineDead):
            await collect(engine, asking("talk"))


async def test_a_process_that_dies_without_a_request_is_noticed() -> None:
    async with started() as (engine, llm):
        assert isinstance(engine, MortalEngine)
        dying = asyncio.create_task(engine.wait_dead())
        await asyncio.sleep(0)
        llm.die()
        async with asyncio.timeout(DEADLINE_S):
            assert "died" in await dying


async def test_an_engine_that_is_stuck_is_noticed_and_its_callers_are_told() -> None:
    async with started(**ENDLESS, canary_idle_ms=1, canary_timeout_ms=50) as (engine, llm):
        async with aclosing(engine.generate(asking("talk slowly"))) as events:
            await anext(events)
            llm.core.is_stuck = True
            with pytest.raises(EngineDead, match="stuck"):
                await exhausted(events)
        assert engine.running == 0


async def test_a_quiet_engine_that_sings_when_probed_lives_on() -> None:
    async with started(canary_idle_ms=1) as (engine, llm):
        async with asyncio.timeout(DEADLINE_S):
            while len(llm.requests) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert {asked["priority"] for asked in llm.requests} == {-1}
        assert engine.running == 0, "probes are not counted"
        assert text_of(await collect(engine, asking("talk"))) == "one two three four five six"


# --- behind the servicer ---


async def test_a_dead_engine_turns_the_service_down_without_a_caller() -> None:
    own = settings()
    async with serving(LlmService(own), own) as (server, channel):
        health = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest(service="voice.llm.v1.LanguageModel")
        assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.SERVING
        vllm_stand_in.started[-1].die()
        async with asyncio.timeout(DEADLINE_S):
            await server.wait()
        assert server.engine_died


@pytest.mark.parametrize(("second", "is_shared"), [("one", True), ("other", False)])
async def test_the_tenant_comes_as_metadata(second: str, is_shared: bool) -> None:
    own = settings()
    config = llm_pb2.GenerateConfig(
        session_id="s",
        messages=[
            llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_SYSTEM, content=SYSTEM.content),
            llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, content="talk"),
        ],
    )
    async with serving(LlmService(own), own) as (_, channel):
        stub = cast("llm_pb2_grpc.LanguageModelAsyncStub", llm_pb2_grpc.LanguageModelStub(channel))
        await stub.Prefill(
            llm_pb2.PrefillRequest(config=config), metadata=(("x-tenant-id", "one"),), timeout=DEADLINE_S
        )
        call = stub.Generate(metadata=(("x-tenant-id", second),), timeout=DEADLINE_S)
        await call.write(llm_pb2.GenerateRequest(config=config))
        *_, last = [response async for response in call]
        assert (last.finished.usage.cached_tokens > 0) == is_shared


async def test_a_tenant_that_is_no_name_is_refused() -> None:
    own = settings()
    async with serving(LlmService(own), own) as (_, channel):
        stub = cast("llm_pb2_grpc.LanguageModelAsyncStub", llm_pb2_grpc.LanguageModelStub(channel))
        config = llm_pb2.GenerateConfig(messages=[llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, content="talk")])
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Prefill(
                llm_pb2.PrefillRequest(config=config), metadata=(("x-tenant-id", "t" * 200),), timeout=DEADLINE_S
            )
        assert "x-tenant-id" in (refused.value.details() or "")
