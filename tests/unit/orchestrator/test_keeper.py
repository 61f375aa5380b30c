"""Sessions are kept in the background: the newest record, and a store that fails is told of once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from services.common.turn_log import TurnEntry
from services.orchestrator.sessions import keeper as keeping
from services.orchestrator.sessions.keeper import Keeper
from services.orchestrator.sessions.store import MemoryStore, SessionRecord, StoreUnavailable

pytestmark = pytest.mark.unit

DEADLINE_S = 5


def record(turns: int) -> SessionRecord:
    return SessionRecord("session-1", "desk", turns=turns)


def turn(epoch: int) -> TurnEntry:
    return TurnEntry("session-1", "desk", epoch, "", 200.0, {"vad_hold": 200.0})


class Store(MemoryStore):
    """A store that can be away, and that can be made to take its time."""

    def __init__(self) -> None:
        super().__init__(600)
        self.is_away = False
        self.goes_away_between = False
        self.saved: list[int] = []
        self.logged: list[int] = []
        self.attempts = 0
        self.free = asyncio.Event()
        self.free.set()
        self.changed = asyncio.Condition()

    async def save(self, record: SessionRecord) -> None:
        await self._attempt()
        await super().save(record)
        self.saved.append(record.turns)
        await self._told()

    async def log_turns(self, turns: Sequence[TurnEntry]) -> None:
        self.is_away = self.is_away or self.goes_away_between
        await self._attempt()
        self.logged += [turn.epoch for turn in turns]
        await self._told()

    def lose_everything(self) -> None:
        self._records.clear()

    async def _attempt(self) -> None:
        await self.free.wait()
        self.attempts += 1
        await self._told()
        if self.is_away:
            raise StoreUnavailable("away")

    async def _told(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S), self.changed:
            await self.changed.wait_for(condition)


@asynccontextmanager
async def kept(store: Store) -> AsyncIterator[tuple[Keeper, list[str]]]:
    failures: list[str] = []
    keeper = Keeper(store, lambda: failures.append("told"))
    task = asyncio.create_task(keeper.run())
    try:
        yield keeper, failures
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "RETRY_S", 0.01)


async def test_a_record_is_written_without_anybody_waiting() -> None:
    store = Store()
    async with kept(store) as (keeper, failures):
        keeper.keep(record(1))
        assert store.saved == []
        await store.until(lambda: store.saved == [1])
        keeper.keep(record(2))
        await store.until(lambda: store.saved == [1, 2])
    assert failures == []


async def test_of_what_comes_while_the_store_is_busy_only_the_newest_is_written() -> None:
    store = Store()
    async with kept(store) as (keeper, _):
        store.free.clear()
        keeper.keep(record(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for turns in range(2, 6):
            keeper.keep(record(turns))
        store.free.set()
        await store.until(lambda: 5 in store.saved)
    assert store.saved in ([1, 5], [5])


async def test_flush_writes_what_is_not_written_and_nothing_twice() -> None:
    store = Store()
    keeper = Keeper(store, lambda: None)
    await keeper.flush()
    keeper.keep(record(1))
    await keeper.flush()
    await keeper.flush()
    assert store.saved == [1]


async def test_turns_are_logged_beside_the_record_and_each_once() -> None:
    store = Store()
    async with kept(store) as (keeper, _):
        keeper.keep(record(1))
        keeper.log_turn(turn(1))
        keeper.log_turn(turn(2))
        await store.until(lambda: store.logged == [1, 2])
        keeper.keep(record(2))
        await store.until(lambda: store.saved == [1, 2])
        await keeper.flush()
    keeper.log_turn(turn(3))
    await keeper.flush()
    assert store.logged == [1, 2, 3]


async def test_of_turns_that_a_store_missed_the_newest_are_logged_when_it_is_back() -> None:
    store = Store()
    store.is_away = True
    async with kept(store) as (keeper, failures):
        keeper.keep(record(1))
        for epoch in range(keeping.KEPT_TURNS + 3):
            keeper.log_turn(turn(epoch))
        await store.until(lambda: store.attempts >= 3)
        store.is_away = False
        await store.until(lambda: bool(store.logged))
    assert store.logged == list(range(3, keeping.KEPT_TURNS + 3))
    assert failures == ["told"]


async def test_turns_that_a_store_did_not_take_are_logged_once_it_does() -> None:
    store = Store()
    store.goes_away_between = True
    async with kept(store) as (keeper, _):
        keeper.keep(record(1))
        keeper.log_turn(turn(1))
        await store.until(lambda: store.attempts >= 3)
        assert (store.saved, store.logged) == ([1], [])
        keeper.log_turn(turn(2))
        store.is_away = store.goes_away_between = False
        await store.until(lambda: bool(store.logged))
    assert store.logged == [1, 2]


async def test_a_quiet_session_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "SAVE_EVERY_S", 0.01)
    store = Store()
    async with kept(store) as (keeper, _):
        keeper.keep(record(1))
        await store.until(lambda: store.saved == [1, 1, 1])


async def test_a_store_that_fails_is_told_of_once_and_the_newest_is_written_when_it_is_back() -> None:
    store = Store()
    store.is_away = True
    async with kept(store) as (keeper, failures):
        keeper.keep(record(1))
        await store.until(lambda: store.attempts >= 3)
        keeper.keep(record(2))
        assert failures == ["told"]
        store.is_away = False
        await store.until(lambda: store.saved == [2])


async def test_a_store_that_fails_again_is_told_of_again() -> None:
    store = Store()
    async with kept(store) as (keeper, failures):
        for turns in (1, 2):
            store.is_away = True
            keeper.keep(record(turns))
            attempts = store.attempts
            await store.until(lambda since=attempts: store.attempts >= since + 2)  # type: ignore[misc]
            store.is_away = False
            await store.until(lambda now=turns: now in store.saved)  # type: ignore[misc]
    assert failures == ["told", "told"]


async def test_flush_at_the_end_of_a_call_survives_a_store_that_is_away() -> None:
    store = Store()
    store.is_away = True
    failures: list[str] = []
    keeper = Keeper(store, lambda: failures.append("told"))
    keeper.keep(record(1))
    await keeper.flush()
    assert failures == ["told"]


async def test_what_the_store_lost_is_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that was restarted is empty, whether or not anybody noticed that it was away."""
    monkeypatch.setattr(keeping, "SAVE_EVERY_S", 0.01)
    store = Store()
    async with kept(store) as (keeper, failures):
        keeper.keep(record(1))
        await store.until(lambda: store.saved == [1])
        store.lose_everything()
        await store.until(lambda: len(store.saved) >= 2)
        assert await store.load("session-1") == record(1)
    assert failures == []


async def test_what_a_store_that_failed_may_have_lost_is_written_at_the_end_of_the_call() -> None:
    store = Store()
    keeper = Keeper(store, lambda: None)
    keeper.keep(record(1))
    await keeper.flush()
    store.is_away = True
    store.lose_everything()
    await keeper._write()
    store.is_away = False
    await keeper.flush()
    assert await store.load("session-1") == record(1)


async def test_a_keeper_that_is_stopped_stops() -> None:
    store = Store()
    store.free.clear()
    async with kept(store) as (keeper, _):
        keeper.keep(record(1))
        await asyncio.sleep(0)
    store.free.set()
    await keeper.flush()
    assert store.saved == [1]
