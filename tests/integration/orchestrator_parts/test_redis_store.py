"""Sessions in a real Redis, which goes away in mid-call and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import redis.asyncio as redis

from services.common import turn_log
from services.common.turn_log import TurnEntry
from services.orchestrator.sessions import keeper as keeping
from services.orchestrator.sessions.keeper import Keeper
from services.orchestrator.sessions.redis import KEY, RedisStore
from services.orchestrator.sessions.store import SessionRecord, StoreUnavailable
from tests.support.redis import RedisServer

pytestmark = pytest.mark.integration

TTL_S = 600
DEADLINE_S = 10
UNAVAILABLE_WITHIN_S = 1.0
RECORD = SessionRecord("session-1", "desk", 4, 2, [{"role": "user", "content": "¿qué?"}])
TURN = TurnEntry("session-1", "desk", 2, "", 210.25, {"vad_hold": 100.125, "llm_first_token": 110.125})

USES: list[Callable[[RedisStore], Awaitable[object]]] = [
    lambda store: store.save(RECORD),
    lambda store: store.load("session-1"),
    lambda store: store.delete("session-1"),
    lambda store: store.expires_in_s("session-1"),
    lambda store: store.log_turns([TURN]),
]


@asynccontextmanager
async def store_of(server: RedisServer, ttl_s: int = TTL_S) -> AsyncIterator[RedisStore]:
    store = RedisStore(server.url, ttl_s)
    try:
        yield store
    finally:
        await store.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110 - Redis tells nobody that a key has expired
            await asyncio.sleep(0.02)


async def test_what_one_orchestrator_keeps_another_finds(redis_server: RedisServer) -> None:
    async with store_of(redis_server) as one, store_of(redis_server) as other:
        assert await other.load("session-1") is None
        assert await other.expires_in_s("session-1") == 0
        await one.save(RECORD)
        assert await other.load("session-1") == RECORD
        assert TTL_S - 60 <= await other.expires_in_s("session-1") <= TTL_S
        await other.delete("session-1")
        assert await one.load("session-1") is None


async def test_turns_are_logged_in_a_stream_that_stays_short_and_goes_in_the_end(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_log, "MAX_ENTRIES", 100)
    async with store_of(redis_server) as store, redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        for epoch in range(0, 400, 2):
            await store.log_turns([replace(TURN, epoch=epoch), replace(TURN, epoch=epoch + 1)])
        found: Any = await client.xrange(turn_log.STREAM)
        entries = [TurnEntry.from_fields(fields) for _, fields in found]
        assert 100 <= len(entries) < 300
        assert entries[-1] == replace(TURN, epoch=399)
        assert turn_log.TTL_S - 60 <= await client.ttl(turn_log.STREAM) <= turn_log.TTL_S


async def test_a_session_is_forgotten_after_its_idle_time(redis_server: RedisServer) -> None:
    async with store_of(redis_server, ttl_s=1) as store:
        await store.save(RECORD)

        async def is_gone() -> bool:
            return await store.load("session-1") is None

        await until(is_gone)


async def test_each_save_starts_the_idle_time_anew(redis_server: RedisServer) -> None:
    async with store_of(redis_server, ttl_s=5) as short, store_of(redis_server) as store:
        await short.save(RECORD)
        assert await store.expires_in_s("session-1") <= 5
        await store.save(RECORD)
        assert await store.expires_in_s("session-1") > 5


@pytest.mark.parametrize("text", ["", "rubbish", "[]", '{"session_id": "a"}', '{"other": "release"}', b"\xff\xfe\xff"])
async def test_a_record_that_cannot_be_read_is_none(redis_server: RedisServer, text: str | bytes) -> None:
    async with store_of(redis_server) as store, redis.Redis.from_url(redis_server.url) as client:
        await client.set(KEY.format("session-1"), text)
        assert await store.load("session-1") is None


@pytest.mark.parametrize("use", USES)
async def test_a_redis_that_was_killed_is_unavailable_at_once(
    redis_server: RedisServer, use: Callable[[RedisStore], Awaitable[object]]
) -> None:
    async with store_of(redis_server) as store:
        await store.save(RECORD)
        await redis_server.kill()
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                async with asyncio.timeout(UNAVAILABLE_WITHIN_S):
                    await use(store)
        await redis_server.start()
        assert await store.load("session-1") is None  # at once: no connection of before the crash is in the way
        await store.save(RECORD)
        assert await store.load("session-1") == RECORD


@pytest.mark.parametrize("use", USES)
async def test_a_redis_that_hangs_is_unavailable_within_a_second(
    redis_server: RedisServer, use: Callable[[RedisStore], Awaitable[object]]
) -> None:
    async with store_of(redis_server) as store:
        await store.save(RECORD)
        redis_server.freeze()
        with pytest.raises(StoreUnavailable, match="does not answer"):
            async with asyncio.timeout(UNAVAILABLE_WITHIN_S):
                await use(store)
        redis_server.thaw()
        await store.save(RECORD)
        assert await store.load("session-1") == RECORD


async def test_what_is_cancelled_ends_however_far_it_was(redis_server: RedisServer) -> None:
    """A keeper that outlives its call would write an old record over those of the session that goes on."""
    for steps in range(80):
        async with store_of(redis_server) as store:
            task = asyncio.create_task(store.save(RECORD))
            for _ in range(steps):
                await asyncio.sleep(0)
            was_done = task.done()
            task.cancel()
            await asyncio.wait({task}, timeout=DEADLINE_S)
            assert task.cancelled() or was_done, f"after {steps} steps"


async def test_a_redis_that_was_never_there_is_unavailable() -> None:
    store = RedisStore("redis://127.0.0.1:1/0", TTL_S)
    with pytest.raises(StoreUnavailable):
        async with asyncio.timeout(UNAVAILABLE_WITHIN_S):
            await store.load("session-1")
    await store.close()


async def test_a_call_goes_on_without_redis_and_is_kept_once_it_is_back(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "RETRY_S", 0.05)
    failures: list[str] = []
    async with store_of(redis_server) as store:
        keeper = Keeper(store, lambda: failures.append("told"))
        task = asyncio.create_task(keeper.run())
        try:
            keeper.keep(RECORD)

            async def is_kept() -> bool:
                return await store.load("session-1") is not None

            await until(is_kept)
            await redis_server.kill()
            newest = SessionRecord("session-1", "desk", 6, 3)
            keeper.keep(newest)

            async def is_told() -> bool:
                return bool(failures)

            await until(is_told)
            await redis_server.start()
            await until(is_kept)
            assert await store.load("session-1") == newest
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert failures == ["told"]
