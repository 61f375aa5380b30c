"""Keeps sessions without anybody waiting for the store: the newest record wins, a failing store is told once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from services.common.turn_log import TurnEntry
from services.orchestrator.sessions.store import SessionRecord, SessionStore, StoreUnavailable

log = logging.getLogger(__name__)

RETRY_S = 1.0
SAVE_EVERY_S = 60.0
"""A quiet session is written again this often: its idle time starts anew, and a store that was emptied has it again."""
KEPT_TURNS = 64
"""Turns whose times wait for a store that is away; the oldest are forgotten first."""


class Keeper:
    """Writes one live session's records to the store, in the background."""

    def __init__(self, store: SessionStore, on_failed: Callable[[], None]) -> None:
        self._store = store
        self._on_failed = on_failed
        self._newest: SessionRecord | None = None
        self._kept: SessionRecord | None = None
        self._turns: list[TurnEntry] = []
        self._wake = asyncio.Event()
        self._has_failed = False

    def keep(self, record: SessionRecord) -> None:
        """Have a record kept soon; returns at once."""
        self._newest = record
        self._wake.set()

    def log_turn(self, turn: TurnEntry) -> None:
        """Have a turn's times logged soon; returns at once."""
        self._turns = [*self._turns[1 - KEPT_TURNS :], turn]
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled. What the store misses while it is away is written when it is back."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if self._has_failed else SAVE_EVERY_S):
                    await self._wake.wait()
            self._wake.clear()
            await self._write()

    async def flush(self) -> None:
        """Write what is not written yet; the store's own deadline bounds it."""
        if self._newest is not self._kept or self._turns:
            await self._write()

    async def _write(self) -> None:
        record = self._newest
        if record is None:
            return
        try:
            await self._store.save(record)
            await self._log_turns()
        except StoreUnavailable as error:
            if not self._has_failed:
                log.warning("session not kept", extra={"error": str(error)})
                self._on_failed()
            self._has_failed = True
            self._kept = None  # what a store held before it failed may be gone
        else:
            self._has_failed = False
            self._kept = record

    async def _log_turns(self) -> None:
        turns, self._turns = self._turns, []
        if not turns:
            return
        try:
            await self._store.log_turns(turns)
        except BaseException:
            # Perhaps they were written and only the answer is missing: who reads takes one of each turn.
            self._turns = [*turns, *self._turns][-KEPT_TURNS:]
            raise
