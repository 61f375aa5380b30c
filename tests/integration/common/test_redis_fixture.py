"""The redis-server that tests get is real, goes away and comes back."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import redis.asyncio as redis
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import TimeoutError as RedisSlow

from tests.support.redis import RedisServer, running_redis

pytestmark = pytest.mark.integration


def client_of(server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(
        server.url, socket_timeout=0.2, socket_connect_timeout=5, decode_responses=True, retry=None
    )


async def test_it_keeps_what_it_is_given_until_it_is_killed_and_comes_back_empty(redis_server: RedisServer) -> None:
    url = redis_server.url
    async with contextlib.aclosing(client_of(redis_server)) as client:
        await client.set("k", "v", ex=600)
        assert await client.get("k") == "v"
        await redis_server.kill()
        with pytest.raises(RedisGone):
            await client.get("k")
        await redis_server.start()
        assert redis_server.url == url
        assert await client.get("k") is None


async def test_a_frozen_server_answers_nothing_and_goes_on_when_thawed(redis_server: RedisServer) -> None:
    async with contextlib.aclosing(client_of(redis_server)) as client:
        redis_server.freeze()
        with pytest.raises((RedisSlow, RedisGone)):
            await client.ping()
        redis_server.thaw()
        assert await client.ping()


async def test_a_frozen_server_is_stopped_all_the_same() -> None:
    async with asyncio.timeout(30), running_redis() as server:
        server.freeze()
