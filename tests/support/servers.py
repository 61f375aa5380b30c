"""Real servers in the test's own process, on free ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio

from services.common.server import Server, Service
from services.common.settings import ServiceSettings


@asynccontextmanager
async def serving(service: Service, settings: ServiceSettings) -> AsyncIterator[tuple[Server, grpc.aio.Channel]]:
    """Start `service` on a free port; yield the server and a channel to it; stop both."""
    server = Server(service, settings)
    try:
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, channel
    finally:
        await server.stop()
