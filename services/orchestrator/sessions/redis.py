"""Sessions in Redis: one key a session, with its idle time as the key's TTL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis import asyncio as redis
from redis.exceptions import RedisError

from services.orchestrator.sessions.store import SessionRecord, StoreUnavailable

DEADLINE_S = 0.5
KEY = "parley:session:{}"


class RedisStore:
    """Sessions in a Redis server that all orchestrators share."""

    def __init__(self, url: str, ttl_s: int) -> None:
        self._ttl_s = ttl_s
        self._redis = redis.Redis.from_url(
            url, socket_timeout=DEADLINE_S, socket_connect_timeout=DEADLINE_S, health_check_interval=30
        )

    async def save(self, record: SessionRecord) -> None:
        """Keep a record, and start its idle time anew."""
        async with _told():
            await self._redis.set(KEY.format(record.session_id), record.to_json(), ex=self._ttl_s)

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return a record, or None."""
        async with _told():
            text = await self._redis.get(KEY.format(session_id))
        return SessionRecord.from_json(text) if text else None

    async def touch(self, session_id: str) -> None:
        """Start a record's idle time anew."""
        async with _told():
            await self._redis.expire(KEY.format(session_id), self._ttl_s)

    async def delete(self, session_id: str) -> None:
        """Forget a record."""
        async with _told():
            await self._redis.delete(KEY.format(session_id))

    async def expires_in_s(self, session_id: str) -> int:
        """Return the idle time left."""
        async with _told():
            return max(0, int(await self._redis.ttl(KEY.format(session_id))))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"the session store does not answer: {type(error).__name__}") from error
