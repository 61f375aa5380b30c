"""The vLLM engine over a stand-in with vLLM's signatures: what the contract suite does not ask."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from services.common.errors import EngineFault, InvalidInput
from services.common.registry import load_engine
from services.llm.engine import (
    Begun,
    Finished,
    FinishReason,
    GenerationRequest,
    LlmEngine,
    Message,
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
from tests.integration.llm import vllm_stand_in
from tests.integration.llm.vllm_core import BLOCK
from tests.integration.llm.vllm_running import (
    DEADLINE_S,
    ENDLESS,
    LOOK_UP,
    SYSTEM,
    asking,
    cached,
    calls_of,
    collect,
    settings,
    started,
    text_of,
)
from tests.integration.llm.vllm_stand_in import AsyncLLM

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _library() -> None:
    vllm_stand_in.install()


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


async def test_a_folder_without_weights_is_told_at_once(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(".models/test/llama-tiny") / name, tmp_path / name)
    before = len(vllm_stand_in.started)
    with pytest.raises(InvalidInput, match="no weights in"):
        async with started(model=str(tmp_path)):
            pass
    assert len(vllm_stand_in.started) == before
    async with started(model=str(tmp_path), extra_args={"load_format": "dummy"}):
        pass


async def test_a_process_that_cannot_start_says_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> AsyncLLM:
        raise RuntimeError("Engine core initialization failed. See root cause above.")

    monkeypatch.setattr(AsyncLLM, "from_engine_args", fail)
    with pytest.raises(EngineFault, match=r"root cause above.*logged before.*KV_CACHE_GIB"):
        async with started():
            pass


async def test_a_start_that_fails_after_the_model_was_loaded_stops_its_process() -> None:
    engine: LlmEngine = load_engine(ENGINES, "vllm", setting="")(settings(tool_parser="picky"))
    with pytest.raises(InvalidInput):
        await engine.start()
    await engine.close()
    assert vllm_stand_in.started[-1].shut_down_within == 5


# --- prefixes and priorities ---


async def test_whoever_stands_in_the_queue_is_told_how_long() -> None:
    async with started(max_num_seqs=1, **ENDLESS) as (engine, llm):
        async with aclosing(engine.generate(asking("talk slowly"))) as talking, asyncio.timeout(DEADLINE_S):
            first = await anext(talking)
            waiting = asyncio.create_task(collect(engine, asking("talk")))
            while not llm.core.waiting:
                await anext(talking)
            for _ in range(20):
                await anext(talking)
        begun, *_ = await waiting
        assert isinstance(first, Begun)
        assert isinstance(begun, Begun)
        assert begun.queue_us > first.queue_us


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
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(engine.prefill(asking("hello")))]
        tasks += [asyncio.create_task(collect(engine, asking("talk", priority=priority))) for priority in wanted]
        async with asyncio.timeout(DEADLINE_S):
            while len(llm.core.waiting) < 5:  # noqa: ASYNC110
                await asyncio.sleep(0)
            llm.core.is_stuck = False
            llm.core.wake()
            await asyncio.gather(*tasks)
        assert [request.priority for request in llm.core.log] == [0, 0, 1, 1, 2]


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
        assert isinstance(events[1], TextDelta)
        assert isinstance(events[-2], ToolCall)
        assert llm.requests[0]["params"].skip_special_tokens is False


async def test_a_call_can_only_become_one_that_fits() -> None:
    async with started() as (engine, _):
        assert calls_of(await collect(engine, asking("call wednesday", LOOK_UP))) == [("look_up", {"day": "monday"})]


async def test_a_call_may_hold_little_white_space_and_schemas_are_left_as_they_are() -> None:
    schema = {"type": "object", "properties": {"max_whitespace_cnt": {"enum": ["monday"]}}}
    async with started() as (engine, llm):
        await collect(engine, asking("call monday", Tool("look_up", "", json.dumps(schema))))
        tag = json.loads(llm.requests[0]["params"].structured_outputs.structural_tag)["format"]["tags"][0]
        assert tag["content"] == {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": 1}


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
    async with started() as (engine, _), aclosing(engine.generate(asking("talk"))) as events:
        async with asyncio.timeout(DEADLINE_S):
            assert isinstance(await anext(events), Begun)
            first = await anext(events)
            while engine.running:  # noqa: ASYNC110 - it is made to its end though nobody reads
                await asyncio.sleep(0)
            rest = [event async for event in events]
        assert isinstance(first, TextDelta)
        assert len(rest) == 2
        assert first.text + text_of(rest) == "one two three four five six"
