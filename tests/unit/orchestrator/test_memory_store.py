"""Sessions kept in the process: for their idle time, and not a moment longer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.sessions.store import MemoryStore, SessionRecord

pytestmark = pytest.mark.unit

TTL_S = 600


class Clock:
    def __init__(self) -> None:
        self.now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def record(session_id: str = "session-1", turns: int = 2) -> SessionRecord:
    messages = [{"role": "user", "content": "¿qué?", "tool_calls": [], "tool_call_id": ""}]
    return SessionRecord(session_id, "desk", last_epoch=4, turns=turns, messages=messages)


def test_a_record_survives_json() -> None:
    assert SessionRecord.from_json(record().to_json()) == record()
    assert SessionRecord.from_json(record().to_json().encode()) == record()


async def test_what_is_saved_is_loaded_until_its_idle_time_has_passed() -> None:
    clock = Clock()
    store = MemoryStore(TTL_S, clock)
    await store.save(record())
    clock.now_s += TTL_S - 0.1
    assert await store.load("session-1") == record()
    clock.now_s += 0.1
    assert await store.load("session-1") is None
    assert await store.load("session-2") is None


async def test_a_save_replaces_and_starts_the_idle_time_anew() -> None:
    clock = Clock()
    store = MemoryStore(TTL_S, clock)
    await store.save(record())
    clock.now_s += 500
    await store.save(record(turns=3))
    clock.now_s += 500
    assert await store.load("session-1") == record(turns=3)


async def test_a_record_that_is_deleted_is_gone() -> None:
    store = MemoryStore(TTL_S)
    await store.save(record())
    await store.delete("session-1")
    await store.delete("session-1")
    assert await store.load("session-1") is None
    await store.close()


async def test_the_idle_time_that_is_left() -> None:
    clock = Clock()
    store = MemoryStore(TTL_S, clock)
    await store.save(record())
    assert await store.expires_in_s("session-1") == TTL_S
    clock.now_s += 400
    assert await store.expires_in_s("session-1") == 200
    clock.now_s += 400
    assert await store.expires_in_s("session-1") == 0
    assert await store.expires_in_s("never there") == 0


async def test_a_loaded_record_is_a_copy() -> None:
    store = MemoryStore(TTL_S)
    await store.save(record())
    loaded = await store.load("session-1")
    assert loaded is not None
    loaded.messages.append({"role": "user"})
    assert await store.load("session-1") == record()


NAMES = st.sampled_from(["a", "b", "c", "d"])
ORDERS = st.lists(st.tuples(st.sampled_from(["save", "delete", "wait"]), NAMES, st.integers(0, TTL_S)), max_size=40)


@given(ORDERS)
async def test_it_keeps_what_a_naive_store_keeps_and_no_more(orders: list[tuple[str, str, int]]) -> None:
    clock = Clock()
    store = MemoryStore(TTL_S, clock)
    naive: dict[str, float] = {}
    for order, name, wait_s in orders:
        match order:
            case "save":
                await store.save(record(name))
                naive[name] = clock.now_s + TTL_S
            case "delete":
                await store.delete(name)
                naive.pop(name, None)
            case "wait":
                clock.now_s += wait_s
        naive = {name: expires_s for name, expires_s in naive.items() if expires_s > clock.now_s}
        found = {name for name in "abcd" if await store.load(name) is not None}
        assert found == set(naive)
    await store.load("x")
    assert len(store._records) == len(naive)
