"""A long stream ends at a quiet moment once its server drains: at once where it rests, else after its utterance."""

from __future__ import annotations

import asyncio

import pytest

from services.common.draining import DrainableRequests, OpenStreams
from services.common.errors import Draining

pytestmark = pytest.mark.unit


class Feed:
    """Requests that a test hands out one by one."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> str:
        item = await self.queue.get()
        if item is None:
            raise StopAsyncIteration
        return item


class Told:
    """A stream that counts how often it was told."""

    def __init__(self) -> None:
        self.times = 0

    def drain(self) -> None:
        self.times += 1


def test_streams_are_told_once_those_that_open_later_too_and_those_that_are_over_never() -> None:
    streams = OpenStreams()
    over, still_open, late = Told(), Told(), Told()
    with streams.holding(still_open):
        with streams.holding(over):
            pass
        streams.drain()
        with streams.holding(late):
            assert (over.times, still_open.times, late.times) == (0, 1, 1)


async def test_requests_pass_until_the_client_ends_them() -> None:
    feed = Feed()
    for item in ("a", "b", None):
        feed.queue.put_nowait(item)
    assert [item async for item in DrainableRequests(feed, lambda: True)] == ["a", "b"]


async def test_a_stream_that_rests_ends_while_it_waits() -> None:
    requests = DrainableRequests(Feed(), lambda: True)
    waiting = asyncio.ensure_future(anext(requests))
    await asyncio.sleep(0)
    requests.drain()
    with pytest.raises(Draining):
        await waiting


async def test_a_stream_in_the_middle_of_an_utterance_goes_on_to_its_end() -> None:
    feed = Feed()
    is_at_rest = False
    requests = DrainableRequests(feed, lambda: is_at_rest)
    requests.drain()
    feed.queue.put_nowait("more")
    assert await anext(requests) == "more"
    is_at_rest = True
    feed.queue.put_nowait("never read")
    with pytest.raises(Draining):
        await anext(requests)
    assert feed.queue.qsize() == 1


async def test_a_stream_that_falls_silent_in_the_middle_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.common.draining.QUIET_S", 0.01)
    requests = DrainableRequests(Feed(), lambda: False)
    waiting = asyncio.ensure_future(anext(requests))
    await asyncio.sleep(0)
    requests.drain()
    with pytest.raises(Draining):
        await waiting
