"""The yardstick: a bare grpc.aio server that sends every message back. `python -m bench.echo` prints its port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import uvloop

METHOD = "/bench.Echo/Echo"


async def _echo(requests: AsyncIterator[bytes], context: Any) -> None:
    async for raw in requests:
        await context.write(raw)


async def serve() -> None:
    server = grpc.aio.server()
    handlers: dict[str, Any] = {"Echo": grpc.stream_stream_rpc_method_handler(_echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(asyncio.wait_for(serve(), 3600))
