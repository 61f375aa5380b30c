"""One generation between the engine and a client that may be slow, cancel or vanish."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from services.common.errors import EngineFault
from services.common.metrics import LLM_CALLS_REFUSED
from services.llm.engine import (
    Begun,
    Finished,
    FinishReason,
    GenerationRequest,
    LlmEngine,
    LlmEvent,
    LlmOutput,
    TextDelta,
    ToolCall,
)
from services.llm.mending import both, told_of_faults
from services.llm.toolgate import BadCall, Validators, check_call

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event with the moment the engine gave it (`time.monotonic`); for merged text, the moment of the first piece.

    Merged text was held for the client, not by the engine.
    """

    event: LlmOutput
    at_s: float


class Outbox:
    """What waits for the writer. Text merges into one delta while the writer is busy; tool calls keep their place.

    Bounded: `put` waits while more than `max_chars` of text are pending, so a client that does not read slows its own
    engine request and nothing else.
    """

    def __init__(self, max_chars: int) -> None:
        self._max_chars = max_chars
        self._pending: list[Stamped] = []
        self._chars = 0
        self._failure: Exception | None = None
        self._is_abandoned = False
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    async def put(self, event: LlmOutput) -> None:
        """Add an event, and wait while the outbox is over its bound."""
        if self._is_abandoned:
            return
        last = self._pending[-1] if self._pending else None
        if isinstance(event, TextDelta):
            self._chars += len(event.text)
            if last is not None and isinstance(last.event, TextDelta):
                self._pending[-1] = Stamped(TextDelta(last.event.text + event.text), last.at_s)
            else:
                self._pending.append(Stamped(event, time.monotonic()))
        else:
            self._pending.append(Stamped(event, time.monotonic()))
        self._filled.set()
        if self._chars > self._max_chars:
            self._emptied.clear()
            await self._emptied.wait()

    async def take(self) -> list[Stamped]:
        """Wait for events and return all that are pending. The last one ever is a Finished.

        Once all is taken, raises what `fail` was told.
        """
        while not self._pending or self._is_abandoned:
            if self._failure is not None:
                raise self._failure
            self._filled.clear()
            await self._filled.wait()
        pending, self._pending, self._chars = self._pending, [], 0
        self._emptied.set()
        return pending

    def close(self, last: Finished) -> None:
        """End with `last`, after what is pending."""
        self._pending.append(Stamped(last, time.monotonic()))
        self._filled.set()
        self._emptied.set()

    def fail(self, failure: Exception) -> None:
        """End with an error, after what is pending.

        The writer raises it between two writes: in grpc.aio, a first write that is cancelled while it is on its way
        makes the abort that should follow fail, and the client never hears of it.
        """
        self._failure = self._failure or failure
        self._filled.set()

    def abandon(self, failure: Exception) -> None:
        """End with an error at once: nobody wants what is pending, nor what an engine that never pauses would add."""
        self._failure = failure
        self._is_abandoned = True
        self.drop_pending()
        self._filled.set()

    def drop_pending(self) -> None:
        """Throw away what the writer has not taken yet."""
        self._pending, self._chars = [], 0
        self._emptied.set()


async def pump(
    engine: LlmEngine,
    request: GenerationRequest,
    validators: Validators,
    outbox: Outbox,
    on_event: Callable[[LlmEvent], None],
) -> None:
    """Move one generation from the engine to the outbox; whatever ends it, the engine's generator is closed.

    `on_event` hears of each event as the engine gives it, and it alone of a Begun. The finished event is put only after
    the generator has been closed: a client that has it knows the engine is free.
    A language model's calls are held until its message is whole: where one of them is no good, none leaves, and the
    model is asked once more, with what is wrong as their results. Its next such call, and a stand-in's first, is an
    EngineFault, which goes to the outbox as whatever the engine raises does.
    """
    try:
        outbox.close(await _pumped(engine, request, validators, outbox, on_event))
    except Exception as failure:
        outbox.fail(failure)


async def _pumped(
    engine: LlmEngine,
    request: GenerationRequest,
    validators: Validators,
    outbox: Outbox,
    on_event: Callable[[LlmEvent], None],
) -> Finished:
    async def let_out(event: TextDelta | ToolCall) -> None:
        if isinstance(event, ToolCall) and (fault := _fault_of(event, validators)):
            raise fault
        await outbox.put(event)

    if not engine.capabilities.is_language_model:  # a stand-in follows its script, whatever it is told
        return await _generated(engine, request, on_event, let_out)

    said: list[str] = []
    calls: list[ToolCall] = []

    async def hold_calls(event: TextDelta | ToolCall) -> None:
        if isinstance(event, ToolCall):
            calls.append(event)
        else:
            said.append(event.text)
            await outbox.put(event)

    finished = await _generated(engine, request, on_event, hold_calls)
    faults = [_fault_of(call, validators) for call in calls]
    if not any(faults):
        for call in calls:
            await outbox.put(call)
        return finished
    log.info(
        "the model is told of calls that no tool takes", extra={"faults": [str(fault) for fault in faults if fault]}
    )
    if said:
        await outbox.put(TextDelta("\n"))  # what follows is no part of the last sentence
    again = told_of_faults(request, "".join(said), calls, faults)

    def on_later_event(event: LlmEvent) -> None:
        if not isinstance(event, Begun):  # the queue is what the first output waited for
            on_event(event)

    return both(finished, await _generated(engine, again, on_later_event, let_out))


async def _generated(
    engine: LlmEngine,
    request: GenerationRequest,
    on_event: Callable[[LlmEvent], None],
    take: Callable[[TextDelta | ToolCall], Awaitable[None]],
) -> Finished:
    async with aclosing(engine.generate(request)) as events:
        async for event in events:
            on_event(event)
            match event:
                case Finished():
                    return event
                case TextDelta() | ToolCall():
                    await take(event)
    raise EngineFault("the engine ended without saying why")


def _fault_of(call: ToolCall, validators: Validators) -> BadCall | None:
    try:
        check_call(call, validators)
    except BadCall as fault:
        LLM_CALLS_REFUSED.add(1, kind=fault.kind)
        return fault
    return None


async def cancel(pumping: asyncio.Task[None], outbox: Outbox) -> None:
    """Abort a generation down to the engine, then end the outbox with CANCELLED (unless it has just finished)."""
    if pumping.done():
        return
    outbox.drop_pending()
    pumping.cancel()
    await asyncio.wait({pumping})
    if pumping.cancelled():
        outbox.drop_pending()
        outbox.close(Finished(FinishReason.CANCELLED))
