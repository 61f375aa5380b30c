"""Reads a call's events in a task of its own, so that a script can act and wait for what it causes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from parley import events
from parley.client import Conversation
from parley.errors import CallError
from parley.quiet import QuietWatch

TICK_S = 0.02


class WaitedTooLong(Exception):
    """What a script waited for did not happen in time."""


class Listener:
    """Keeps and hands on every event; `until` waits for a condition on them. Ends with the call."""

    def __init__(self, call: Conversation, on_event: Callable[[events.Event], None]) -> None:
        self._call = call
        self._on_event = on_event
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.heard: list[events.Event] = []
        """All events so far, without agent audio."""
        self.quiet = QuietWatch()
        self.failure: CallError | None = None
        """Why the call broke or failed, where it did."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._read(), name="listener")
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._task is not None  # noqa: S101 - set by __aenter__
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @property
    def has_ended(self) -> bool:
        """Whether the call is over and all of its events were read."""
        return self._task is not None and self._task.done()

    async def until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> bool:
        """Wait for a condition; checked at each event and every 20 ms. Returns False where the call ended before.

        Raises WaitedTooLong, naming `what`, after `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    if self.has_ended:
                        return condition()
                    self._arrived.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._arrived.wait(), TICK_S)
        except TimeoutError:
            raise WaitedTooLong(f"{what}: not within {timeout_s:.0f} s") from None
        return True

    def agent_is_done(self, quiet_ms: float) -> bool:
        """Whether the agent has finished: nothing sounds, nothing is being made, nothing happened for `quiet_ms`."""
        return self.quiet.is_over(
            self._call.elapsed_ms, is_playing=self._call.playback.queued_ms > 0, quiet_ms=quiet_ms
        )

    async def _read(self) -> None:
        try:
            async for event in self._call:
                if not isinstance(event, events.AgentAudio):
                    self.heard.append(event)
                self.quiet.see(event)
                self._on_event(event)
                self._arrived.set()
        except CallError as error:
            self.failure = error
        finally:
            self._arrived.set()
