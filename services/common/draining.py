"""Requests of a stream that lasts a whole call, ended early at a quiet moment once the server drains."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from services.common.errors import Draining

T = TypeVar("T")
LEAVE_S = 2.0
"""How long a client that was told has to leave by itself."""
QUIET_S = 0.5
"""A stream that drains and is sent nothing for this long rests, whatever it was in the middle of: while somebody
speaks, audio comes many times a second."""


class Drainable(Protocol):
    """What ends by itself once it is told that the server drains."""

    def drain(self) -> None:
        """End as soon as that costs the client nothing."""


class OpenStreams:
    """The streams that are told when their server drains: those open at that moment, and those that still open then."""

    def __init__(self) -> None:
        self._streams: set[Drainable] = set()
        self._is_draining = False

    @contextmanager
    def holding(self, stream: Drainable) -> Iterator[None]:
        """Have a stream told for as long as it is open."""
        self._streams.add(stream)
        try:
            if self._is_draining:
                stream.drain()
            yield
        finally:
            self._streams.discard(stream)

    def drain(self) -> None:
        """Tell all of them."""
        self._is_draining = True
        for stream in self._streams:
            stream.drain()


class DrainableRequests(Generic[T]):
    """An async iterator over a stream's requests that raises Draining once `drain` was called and the stream rests.

    `is_at_rest` tells, between two requests, whether ending the stream now costs its client nothing but a new stream.
    It is asked again after every request, so a stream in the middle of an utterance goes on to the end of it.
    """

    def __init__(self, requests: AsyncIterator[T], is_at_rest: Callable[[], bool]) -> None:
        self._requests = requests
        self._is_at_rest = is_at_rest
        self._is_draining = False
        self._waiting: asyncio.Timeout | None = None

    def drain(self) -> None:
        """End the stream at its next quiet moment, which may be now."""
        self._is_draining = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time() + self._patience_s())

    def __aiter__(self) -> DrainableRequests[T]:
        return self

    async def __anext__(self) -> T:
        if self._is_draining and self._is_at_rest():
            raise Draining
        try:
            async with asyncio.timeout(QUIET_S if self._is_draining else None) as self._waiting:
                return await anext(self._requests)
        except TimeoutError:
            raise Draining from None
        finally:
            self._waiting = None

    async def left(self) -> None:
        """Wait until the client, which was told, has left."""
        await client_left(self._requests)

    def _patience_s(self) -> float:
        return 0.0 if self._is_at_rest() else QUIET_S


async def client_left(requests: AsyncIterator[T]) -> None:
    """Take and drop what a client that was told of the draining still sends, until it has left or had its time.

    A server that ended the stream while the client writes would be read as a failure (INTERNAL) by grpc.aio.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_S):
            async for _ in requests:
                pass
