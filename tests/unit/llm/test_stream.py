"""Between engine and writer: what is merged, what waits, what is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from services.common.errors import EngineFault
from services.llm.engine import (
    Begun,
    Finished,
    FinishReason,
    GenerationRequest,
    LlmEvent,
    Message,
    Role,
    TextDelta,
    ToolCall,
)
from services.llm.engines.fake import FakeEngine
from services.llm.settings import LlmSettings
from services.llm.stream import Outbox, cancel, pump

pytestmark = pytest.mark.unit

DEADLINE_S = 5
REQUEST = GenerationRequest((Message(Role.USER, "hello"),))
STOP = Finished(FinishReason.STOP)


class ScriptedEngine(FakeEngine):
    """Yields given events, then hangs or ends; counts what it was let to yield."""

    def __init__(self, events: Sequence[LlmEvent | Exception], hangs: bool = False) -> None:
        super().__init__(LlmSettings())
        self._events = events
        self._hangs = hangs
        self.yielded = 0
        self.closed = asyncio.Event()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmEvent, None]:
        try:
            for event in self._events:
                if isinstance(event, Exception):
                    raise event
                self.yielded += 1
                yield event
            if self._hangs:
                await asyncio.Event().wait()
        finally:
            self.closed.set()


def pumping(engine: ScriptedEngine, outbox: Outbox) -> asyncio.Task[None]:
    return asyncio.create_task(pump(engine, REQUEST, {}, outbox, lambda event: None))


async def taken(outbox: Outbox) -> list[LlmEvent]:
    async with asyncio.timeout(DEADLINE_S):
        return [stamped.event for stamped in await outbox.take()]


async def test_text_merges_while_the_writer_is_busy_and_calls_keep_their_place() -> None:
    outbox = Outbox(1000)
    call = ToolCall("c1", "book", "{}")
    for event in (TextDelta("a"), TextDelta("b"), call, TextDelta("c"), TextDelta("d")):
        await outbox.put(event)
    outbox.close(STOP)
    assert await taken(outbox) == [TextDelta("ab"), call, TextDelta("cd"), STOP]


async def test_the_queue_is_told_and_does_not_leave() -> None:
    outbox, told = Outbox(1000), list[LlmEvent]()
    engine = ScriptedEngine([Begun(7), TextDelta("a"), STOP])
    await pump(engine, REQUEST, {}, outbox, told.append)
    assert told == [Begun(7), TextDelta("a"), STOP]
    assert await taken(outbox) == [TextDelta("a"), STOP]


async def test_an_engine_that_is_faster_than_the_writer_waits() -> None:
    outbox = Outbox(10)
    engine = ScriptedEngine([TextDelta("xxxx")] * 100 + [STOP])
    task = pumping(engine, outbox)
    assert await taken(outbox) == [TextDelta("x" * 12)]
    assert engine.yielded == 3
    text = "x" * 12
    while True:
        for event in await taken(outbox):
            if isinstance(event, TextDelta):
                assert len(event.text) <= 14
                text += event.text
        if task.done():
            break
    assert text == "x" * 400
    assert engine.closed.is_set()


async def test_cancel_drops_what_is_pending_and_closes_the_engine_first() -> None:
    outbox = Outbox(1000)
    engine = ScriptedEngine([TextDelta("hello")], hangs=True)
    task = pumping(engine, outbox)
    assert await taken(outbox) == [TextDelta("hello")]
    await outbox.put(TextDelta("unheard"))
    await cancel(task, outbox)
    assert engine.closed.is_set()
    assert await taken(outbox) == [Finished(FinishReason.CANCELLED)]


async def test_cancel_of_an_engine_that_waits_for_the_writer() -> None:
    outbox = Outbox(1)
    engine = ScriptedEngine([TextDelta("hello")] * 10)
    task = pumping(engine, outbox)
    assert await taken(outbox) == [TextDelta("hello")]
    await cancel(task, outbox)
    assert await taken(outbox) == [Finished(FinishReason.CANCELLED)]


async def test_cancel_after_the_end_changes_nothing() -> None:
    outbox = Outbox(1000)
    task = pumping(ScriptedEngine([TextDelta("hello"), STOP]), outbox)
    await task
    await cancel(task, outbox)
    assert await taken(outbox) == [TextDelta("hello"), STOP]


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([TextDelta("half a "), EngineFault("it broke")], "it broke"),
        ([TextDelta("half a ")], "ended without saying why"),
        ([TextDelta("half a "), ToolCall("c1", "book", "{}")], "not among the tools"),
    ],
)
async def test_a_fault_follows_what_came_before_it(events: list[LlmEvent | Exception], says: str) -> None:
    outbox = Outbox(1000)
    engine = ScriptedEngine(events)
    await pumping(engine, outbox)
    assert await taken(outbox) == [TextDelta("half a ")]
    with pytest.raises(EngineFault, match=says):
        await outbox.take()
    assert engine.closed.is_set()


async def test_nothing_after_finished_leaves() -> None:
    outbox = Outbox(1000)
    engine = ScriptedEngine([TextDelta("a"), STOP, TextDelta("b"), STOP])
    await pumping(engine, outbox)
    assert await taken(outbox) == [TextDelta("a"), STOP]
    assert engine.closed.is_set()


async def test_an_outbox_that_is_abandoned_ends_at_once_however_much_the_engine_adds() -> None:
    outbox = Outbox(max_chars=3)
    await outbox.put(TextDelta("one"))
    full = asyncio.create_task(outbox.put(TextDelta("two")))
    await asyncio.sleep(0)
    outbox.abandon(EngineFault("the client left"))
    async with asyncio.timeout(DEADLINE_S):
        await full
        await outbox.put(TextDelta("more than fits"))
        with pytest.raises(EngineFault, match="left"):
            await outbox.take()
