"""Sessions in Redis: one key a session, with its idle time as the key's TTL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis import asyncio as redis
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from services.common import turn_log
from services.orchestrator.sessions.store import SessionRecord, StoreUnavailable

log = logging.getLogger(__name__)

DEADLINE_S = 0.5
KEY = "parley:session:{}"


class RedisStore:
    """Sessions in a Redis server that all orchestrators share. A record that cannot be read counts as none."""

    def __init__(self, url: str, ttl_s: int) -> None:
        self._ttl_s = ttl_s
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=DEADLINE_S,
            socket_connect_timeout=DEADLINE_S,
            health_check_interval=30,
            retry=Retry(
                NoBackoff(), 1, (exceptions.ConnectionError,)
            ),  # a connection that a restarted server has forgotten
        )

    async def save(self, record: SessionRecord) -> None:
        """Keep a record, and start its idle time anew."""
        async with _told():
            await self._redis.set(KEY.format(record.session_id), record.to_json(), ex=self._ttl_s)

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return a record, or None."""
        async with _told():
            text = await self._redis.get(KEY.format(session_id))
        try:
            return SessionRecord.from_json(text) if text else None
        except (ValueError, TypeError) as error:
            log.warning("a kept session cannot be read", extra={"error": type(error).__name__})
            return None

    async def delete(self, session_id: str) -> None:
        """Forget a record."""
        async with _told():
            await self._redis.delete(KEY.format(session_id))

    async def expires_in_s(self, session_id: str) -> int:
        """Return the idle time left."""
        async with _told():
            return max(0, int(await self._redis.ttl(KEY.format(session_id))))

    async def log_turns(self, turns: Sequence[turn_log.TurnEntry]) -> None:
        """Append to the stream of turns, which all orchestrators share."""
        async with _told(), self._redis.pipeline(transaction=False) as pipeline:
            for turn in turns:
                fields: dict[Any, Any] = {**turn.to_fields()}
                pipeline.xadd(turn_log.STREAM, fields, maxlen=turn_log.MAX_ENTRIES, approximate=True)
            pipeline.expire(turn_log.STREAM, turn_log.TTL_S)
            await pipeline.execute()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    try:
        yield
    except (exceptions.RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"the session store does not answer: {type(error).__name__}") from error
    if (task := asyncio.current_task()) is not None and task.cancelling():
        # redis-py sends inside asyncio.wait_for, which on Python 3.11 swallows a cancel now and then.
        raise asyncio.CancelledError
