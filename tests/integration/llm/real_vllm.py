"""What only the real vLLM can show: its own counts of requests and cached tokens, and calls that are really sampled.

Not collected by itself: `tests/integration/llm/over_real_vllm.py` says how it is run.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from contextlib import aclosing
from typing import cast

import jsonschema
import pytest
from prometheus_client import REGISTRY
from voice.llm.v1 import llm_pb2_grpc

from services.common.errors import EngineFault
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
from services.llm.servicer import LlmService
from services.llm.settings import LlmSettings
from tests.contract import test_llm as suite
from tests.support.servers import serving

pytestmark = pytest.mark.integration

SYSTEM = Message(Role.SYSTEM, "be kind and helpful to the caller of this line " * 20)
WISH = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "enum": ["monday", "tuesday"]},
        "seats": {"type": "integer", "minimum": 1, "maximum": 12},
        "is_vegan": {"type": "boolean"},
        "dishes": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 12}, "price": {"type": ["number", "null"]}},
                "required": ["name", "price"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["day", "seats", "is_vegan", "dishes"],
    "additionalProperties": False,
}


def settings(**changes: object) -> LlmSettings:
    own = {"vllm_model": "llama-tiny", "models_dir": suite.MODELS, "engine": "vllm", "port": 0} | changes
    return LlmSettings.model_validate(own)


def asking(text: str, *tools: Tool, **others: object) -> GenerationRequest:
    request = GenerationRequest((SYSTEM, Message(Role.USER, text)), tools=tools)
    return dataclasses.replace(request, **others)  # type: ignore[arg-type]


def counted(name: str, **labels: str) -> float:
    """Return what vLLM itself has counted under `name`.

    Only the one that was started last is counted: a test that asks takes a `vllm_max_num_seqs` that no other has.
    """
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples if sample.name == f"vllm:{name}"]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(suite.DEADLINE_S):
        while not is_so():  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.01)


class Started:
    def __init__(self, **changes: object) -> None:
        engine: LlmEngine = load_engine(ENGINES, "vllm", setting="")(settings(**changes))
        self.engine = engine

    async def __aenter__(self) -> LlmEngine:
        async with asyncio.timeout(suite.DEADLINE_S):
            await self.engine.start()
        return self.engine

    async def __aexit__(self, *_: object) -> None:
        await self.engine.close()


async def test_a_client_that_leaves_frees_the_scheduler() -> None:
    own = settings(vllm_max_num_seqs=11, **suite.VLLM_ENDLESS)
    async with serving(LlmService(own), own) as (server, channel):
        stub = cast("llm_pb2_grpc.LanguageModelAsyncStub", llm_pb2_grpc.LanguageModelStub(channel))
        call = stub.Generate(timeout=suite.DEADLINE_S)
        await call.write(suite.config("talk slowly"))
        async for response in call:
            if response.WhichOneof("event") == "text_delta" and counted("num_requests_running") == 1:
                break
        used = counted("kv_cache_usage_perc")
        assert used > 0
        call.cancel()
        async with asyncio.timeout(suite.DEADLINE_S):
            await server.interceptor.wait_idle()
        # The scheduler tells its counts with what it makes next.
        await suite.generate(suite.Served(server, LlmService(own), stub), suite.config("talk"))
        await until(lambda: counted("num_requests_running") == 0)
        assert counted("kv_cache_usage_perc") < used


async def test_what_prefill_warms_is_found_by_the_scheduler() -> None:
    async with Started(vllm_max_num_seqs=12) as engine:
        request = asking("talk", tenant="somebody")
        hits = counted("prefix_cache_hits_total")
        async with asyncio.timeout(suite.DEADLINE_S):
            warmed = await engine.prefill(request)
        assert warmed > 100
        assert counted("prefix_cache_hits_total") == hits
        last = (await suite.collect(engine, request))[-1]
        assert isinstance(last, Finished)
        assert warmed - 16 <= last.usage.cached_tokens <= warmed, "the last token of a prompt is always computed"
        found = last.usage.cached_tokens
        await until(lambda: counted("prefix_cache_hits_total") - hits == found)
        other = (await suite.collect(engine, dataclasses.replace(request, tenant="else")))[-1]
        assert isinstance(other, Finished)
        assert other.usage.cached_tokens == 0


async def test_under_a_full_batch_the_live_turn_comes_first_and_the_wait_is_told() -> None:
    ended: list[Priority] = []

    async def ask(engine: LlmEngine, priority: Priority) -> int:
        events = await suite.collect(engine, asking("talk", priority=priority))
        ended.append(priority)
        assert isinstance(events[0], Begun)
        return events[0].queue_us

    async with Started(vllm_max_num_seqs=1, **suite.VLLM_ENDLESS) as engine:
        async with aclosing(engine.generate(asking("talk slowly"))) as talking, asyncio.timeout(suite.DEADLINE_S):
            await anext(talking)
            tasks = []
            for waiting, priority in enumerate((Priority.SPECULATIVE, Priority.SPECULATIVE, Priority.LIVE), 1):
                tasks.append(asyncio.create_task(ask(engine, priority)))
                await until(lambda wanted=waiting: counted("num_requests_waiting") == wanted)  # type: ignore[misc]
            assert not ended
        async with asyncio.timeout(suite.DEADLINE_S):
            waits_us = await asyncio.gather(*tasks)
    assert ended == [Priority.LIVE, Priority.SPECULATIVE, Priority.SPECULATIVE]
    assert min(waits_us) > 0
    assert waits_us[2] < waits_us[0] < waits_us[1] + 1_000_000


async def test_a_sampled_call_always_fits_its_schema() -> None:
    tool = Tool("look_up", "Looks up a day.", json.dumps(WISH))
    valid = jsonschema.Draft202012Validator(WISH)
    reasons: dict[str, int] = {}
    said = set()
    async with Started() as engine:

        async def ask(seed: int) -> None:
            wild = Sampling(temperature=2, top_p=1, max_tokens=1_500, seed=seed)
            try:
                events = await suite.collect(engine, asking("call tuesday", tool, sampling=wild))
            except EngineFault as fault:
                reasons[str(fault)] = reasons.get(str(fault), 0) + 1
                return
            calls = [event for event in events if isinstance(event, ToolCall)]
            for call in calls:
                assert call.name == "look_up"
                valid.validate(json.loads(call.arguments_json))
                said.add(call.arguments_json)
            last = cast("Finished", events[-1])
            assert (last.reason is FinishReason.TOOL_CALLS) == bool(calls)
            reasons[last.reason.value] = reasons.get(last.reason.value, 0) + 1

        await asyncio.gather(*(ask(seed) for seed in range(40)))
    assert set(reasons) <= {"tool_calls", "stop", "length"}, reasons
    assert len(said) >= 10, reasons


async def test_deltas_come_while_the_model_writes() -> None:
    async with Started(**suite.VLLM_ENDLESS) as engine, aclosing(engine.generate(asking("talk slowly"))) as events:
        async with asyncio.timeout(suite.DEADLINE_S):
            kinds = [type(await anext(events)) for _ in range(20)]
        assert kinds == [Begun, *[TextDelta] * 19]
        assert engine.running == 1
