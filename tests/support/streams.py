"""Streams that the server may end while a test still writes to them."""

from __future__ import annotations

import asyncio
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


class Ending:
    """How a stream ends, whatever was being written to it. Make it with the call."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._truth = TrueStatus(call)

    async def failure(self) -> grpc.aio.AioRpcError | None:
        """Wait for the end; return the error it ended in, None where it ended well."""
        code = await self._call.code()
        if code is grpc.StatusCode.OK:
            return None
        trailing = await self._call.trailing_metadata()
        told = grpc.aio.AioRpcError(code, await self._call.initial_metadata(), trailing, await self._call.details())
        return await self._truth.of(told)
