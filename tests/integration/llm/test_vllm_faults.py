"""The vLLM engine over a stand-in: requests that are left, that fail, and engines that die."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from contextlib import aclosing
from typing import ClassVar, cast

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from voice.llm.v1 import llm_pb2, llm_pb2_grpc

from services.common.errors import EngineDead, EngineFault, InvalidInput, NotReady
from services.common.registry import load_engine
from services.llm.engine import LlmEngine, MortalEngine
from services.llm.engines import ENGINES
from services.llm.servicer import LlmService
from tests.integration.llm import vllm_stand_in
from tests.integration.llm.vllm_running import (
    DEADLINE_S,
    ENDLESS,
    SYSTEM,
    asking,
    collect,
    exhausted,
    settings,
    started,
    text_of,
)
from tests.support.servers import serving

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _library() -> None:
    vllm_stand_in.install()


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
        asked = asyncio.create_task(collect(engine, asking("talk")))
        async with asyncio.timeout(DEADLINE_S):
            while engine.running == 0:  # noqa: ASYNC110
                await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait({asked})
        assert engine.running == 0


async def test_a_start_that_is_left_ends_the_process_that_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    class Process:
        pid = None
        asked: ClassVar[list[str]] = []

        def terminate(self) -> None:
            self.asked.append("terminate")

        def kill(self) -> None:
            self.asked.append("kill")
            ended.set()

    def load(*_: object, **__: object) -> vllm_stand_in.AsyncLLM:
        begun.set()
        assert ended.wait(DEADLINE_S)
        raise RuntimeError("Engine core initialization failed.")

    monkeypatch.setattr(vllm_stand_in.AsyncLLM, "from_engine_args", load)
    monkeypatch.setattr(multiprocessing, "active_children", lambda: [Process()] if begun.is_set() else [])
    monkeypatch.setattr("services.llm.engines.vllm.loading.LOOK_S", 0.001)
    engine: LlmEngine = load_engine(ENGINES, "vllm", setting="")(settings())
    starting = asyncio.create_task(engine.start())
    assert await asyncio.to_thread(begun.wait, DEADLINE_S)
    starting.cancel()
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait({starting})
    assert starting.cancelled()
    assert Process.asked == ["terminate"] * 8 + ["kill"]
    await engine.close()


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
            assert "died" in await engine.wait_dead(), "whoever asks later is told, too"


async def test_an_engine_that_is_stuck_is_noticed_and_its_callers_are_told() -> None:
    async with started(**ENDLESS, canary_idle_ms=1, canary_timeout_ms=1_000) as (engine, llm):
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


async def test_a_probe_that_is_open_is_not_counted() -> None:
    async with started(canary_idle_ms=1, canary_timeout_ms=300_000) as (engine, llm):
        llm.core.is_stuck = True
        async with asyncio.timeout(DEADLINE_S):
            while not llm.core.waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert llm.output_processor.get_num_unfinished_requests() == 1
        assert engine.running == 0


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
