"""The real CTranslate2 with the tiny model of `make test-models`: what the contract suite does not ask."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from services.common.errors import EngineFault, InvalidInput, NotReady, Overloaded
from services.common.slots import Slots
from services.llm.engine import (
    Begun,
    Finished,
    FinishReason,
    GenerationRequest,
    LlmEvent,
    Message,
    Priority,
    Role,
    Sampling,
    TextDelta,
    Tool,
    ToolCall,
)
from services.llm.engines.ctranslate import decoding
from services.llm.engines.ctranslate.decoding import Order
from services.llm.engines.ctranslate.engine import CTranslate2Engine
from services.llm.settings import LlmSettings

pytestmark = pytest.mark.integration

MODELS = Path(".models/test")
DEADLINE_S = 20
SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
LOOK_UP = Tool("look_up", "Looks up a day.", json.dumps(SCHEMA))
REFUSING = Tool("look_up", "Wants a number.", json.dumps({**SCHEMA, "properties": {"day": {"type": "integer"}}}))


def settings(**changes: object) -> LlmSettings:
    own = {"models_dir": MODELS, "model": "llama-tiny", "temperature": 0, "threads": 1} | changes
    return LlmSettings.model_validate({k if k == "models_dir" else f"ctranslate2_{k}": v for k, v in own.items()})


def asking(text: str, tool: Tool | None = None, **others: object) -> GenerationRequest:
    messages = (Message(Role.SYSTEM, "be brief"), Message(Role.USER, text))
    request = GenerationRequest(messages, tools=(tool,) if tool else ())
    return dataclasses.replace(request, **others)  # type: ignore[arg-type]


@asynccontextmanager
async def started(**changes: object) -> AsyncIterator[CTranslate2Engine]:
    engine = CTranslate2Engine(settings(**changes))
    async with asyncio.timeout(DEADLINE_S):
        await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def collect(engine: CTranslate2Engine, request: GenerationRequest) -> list[LlmEvent]:
    async with asyncio.timeout(DEADLINE_S), aclosing(engine.generate(request)) as events:
        return [event async for event in events]


def text_of(events: list[LlmEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """Every order that the library gets from here on."""
    seen: list[Order] = []
    run = decoding.run

    def noting(generator: object, order: Order, on_token: object) -> None:
        seen.append(order)
        run(generator, order, on_token)  # type: ignore[arg-type]

    monkeypatch.setattr(decoding, "run", noting)
    return seen


@pytest.fixture
def queueing(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[Priority]:
    """Return the priority of every request that comes to stand in the queue, or finds a slot free."""
    seen: asyncio.Queue[Priority] = asyncio.Queue()
    take = Slots.take

    async def noting(slots: Slots, rank: float) -> int:
        seen.put_nowait(Priority(rank))
        return await take(slots, rank)

    monkeypatch.setattr(Slots, "take", noting)
    return seen


async def test_the_system_prompt_is_computed_once_for_all_calls_of_an_agent(orders: list[Order]) -> None:
    async with started() as engine:
        warmed = await engine.prefill(asking("talk", LOOK_UP))
        assert text_of(await collect(engine, asking("talk", LOOK_UP))) == "one two three four five six"
        await collect(engine, asking("hello", LOOK_UP))
        parts = [order.static_prompt for order in orders]
        assert parts[0] == parts[1] == parts[2]
        assert len(parts[0]) == warmed


async def test_only_so_many_system_prompts_are_kept(orders: list[Order]) -> None:
    async with started(cached_prompts=1) as engine:
        assert await engine.prefill(asking("talk")) > 0
        assert await engine.prefill(asking("talk", LOOK_UP)) == 0
        assert text_of(await collect(engine, asking("talk", LOOK_UP))) == "one two three four five six"
        assert orders[-1].static_prompt == []
        assert await engine.prefill(asking("hello")) > 0


async def test_a_call_that_breaks_its_schema_is_written_once_more(orders: list[Order]) -> None:
    async with started() as engine:
        events = await collect(engine, asking("call tuesday", REFUSING))
        # The second one leaves as it is, for the servicer's gate to refuse it by the tool's name.
        assert [type(event) for event in events] == [Begun, ToolCall, Finished]
        first, second = orders
        assert second.prompt == first.prompt
        assert (first.temperature, second.temperature) == (0, 0.7)
        last = events[-1]
        assert isinstance(last, Finished)
        assert last.usage.completion_tokens > 40, "both were spent"


async def test_a_call_that_is_cut_short_never_leaves() -> None:
    async with started() as engine:
        with pytest.raises(EngineFault, match="tool call"):
            await collect(engine, asking("call tuesday", LOOK_UP, sampling=Sampling(max_tokens=12)))
        assert engine.running == 0


async def test_the_urgent_goes_first_and_too_many_are_refused(
    orders: list[Order], queueing: asyncio.Queue[Priority]
) -> None:
    async with started(max_tokens=1_000_000, context_tokens=2_000_000, max_queued=2) as engine:
        async with aclosing(engine.generate(asking("talk slowly"))) as talking:
            async with asyncio.timeout(DEADLINE_S):
                await anext(talking)
            short = Sampling(max_tokens=2)
            guess = asking("hello", priority=Priority.SPECULATIVE, sampling=short)
            live = asking("talk", sampling=short)
            tasks = [asyncio.create_task(collect(engine, request)) for request in (guess, live)]
            async with asyncio.timeout(DEADLINE_S):
                assert {await queueing.get() for _ in range(3)} == {Priority.LIVE, Priority.SPECULATIVE}
            with pytest.raises(Overloaded):
                await collect(engine, live)
            assert engine.running == 3
        replies = await asyncio.gather(*tasks)
        assert [text_of(reply) for reply in replies] == ["what", "one two"]
        waited_us = [reply[0].queue_us for reply in replies if isinstance(reply[0], Begun)]
        assert waited_us[0] > waited_us[1] > 0
        told = [order.prompt for order in orders]
        assert "talk" in "".join(told[1])
        assert "hello" in "".join(told[2])
        assert engine.running == 0


async def test_leaving_the_queue_leaves_nothing_behind(queueing: asyncio.Queue[Priority]) -> None:
    async with started(max_tokens=1_000_000, context_tokens=2_000_000) as engine:
        async with aclosing(engine.generate(asking("talk slowly"))) as talking:
            async with asyncio.timeout(DEADLINE_S):
                await anext(talking)
            waiting = asyncio.create_task(collect(engine, asking("talk")))
            async with asyncio.timeout(DEADLINE_S):
                for _ in range(2):
                    await queueing.get()
            waiting.cancel()
            await asyncio.wait({waiting})
            assert engine.running == 1
        assert text_of(await collect(engine, asking("talk"))) == "one two three four five six"


async def test_a_slow_reader_gets_more_at_once_and_holds_up_nobody() -> None:
    async with started() as engine, aclosing(engine.generate(asking("talk"))) as talking:
        async with asyncio.timeout(DEADLINE_S):
            await anext(talking)
            # The one thread there is serves another meanwhile: it waits for no reader.
            assert text_of(await collect(engine, asking("hello"))) == "what"
            rest = [event async for event in talking]
        assert isinstance(rest[-1], Finished)


async def test_the_reason_is_length_only_where_something_is_cut() -> None:
    async with started() as engine:
        for limit, reason in ((6, FinishReason.LENGTH), (7, FinishReason.STOP), (None, FinishReason.STOP)):
            *_, last = await collect(engine, asking("talk", sampling=Sampling(max_tokens=limit)))
            assert isinstance(last, Finished)
            assert (last.reason, last.usage.completion_tokens) == (reason, 6)


async def test_a_conversation_that_is_too_long_is_refused() -> None:
    async with started(context_tokens=20) as engine:
        with pytest.raises(InvalidInput, match="CONTEXT_TOKENS"):
            await collect(engine, asking("talk"))


async def test_another_model_is_refused() -> None:
    async with started() as engine:
        with pytest.raises(InvalidInput, match="llama-tiny"):
            engine.model_label("gpt-4")


async def test_before_it_is_started_and_after_it_is_closed_it_is_not_ready() -> None:
    engine = CTranslate2Engine(settings())
    with pytest.raises(NotReady):
        await collect(engine, asking("talk"))
    await engine.start()
    await engine.close()
    with pytest.raises(NotReady):
        await engine.prefill(asking("talk"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "Qwen2.5-0.5B-Instruct-ct2-int8"}, "parley models"),
        ({"compute_type": "float13"}, "COMPUTE_TYPE"),
    ],
)
async def test_what_cannot_start_says_why(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        await CTranslate2Engine(settings(**changes)).start()


async def test_another_models_tokenizer_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(MODELS / "llama-tiny", folder)
    vocabulary = json.loads((folder / "vocabulary.json").read_text())
    (folder / "vocabulary.json").write_text(json.dumps([vocabulary[-1], *vocabulary[:-1]]))
    with pytest.raises(InvalidInput, match=r"tokenizer\.json"):
        await CTranslate2Engine(settings(models_dir=tmp_path, model="mixed")).start()
