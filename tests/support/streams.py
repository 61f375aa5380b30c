"""Streams that the server may end while a test still writes to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from parley.rpc import TrueStatus


async def write(call: Any, *requests: Any) -> None:
    """Write these in order. A stream that is over takes no more, which is not the writer's fault: its end says why."""
    try:
        for request in requests:
            await call.write(request)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return


class Stream:
    """Reads a call; knows how it ended, whatever was being written to it. Make it with the call."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._truth = TrueStatus(call)
        # Unlike call.read(), this gives all that came after a write has failed; the true status comes behind that only.
        self._responses: AsyncIterator[Any] = aiter(call)

    async def read(self) -> Any:
        """Return the next response, EOF after the last. Raises AioRpcError where the stream ended in an error."""
        return await anext(self._responses, grpc.aio.EOF)

    async def failure(self) -> grpc.aio.AioRpcError | None:
        """Read on to the end; return the error that it is, None where the stream ended well."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for _ in self._responses:
                pass
        code = await self._call.code()
        if code is grpc.StatusCode.OK:
            return None
        trailing = await self._call.trailing_metadata()
        told = grpc.aio.AioRpcError(code, await self._call.initial_metadata(), trailing, await self._call.details())
        return await self._truth.of(told)
