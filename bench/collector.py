"""An OTLP collector that counts spans: `python -m bench.collector` prints its port, and at the end how many came."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import grpc.aio
import uvloop
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Counts."""

    def __init__(self) -> None:
        self.spans = 0

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
        """Take what an exporter sends."""
        self.spans += sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
        return trace_service_pb2.ExportTraceServiceResponse()


async def serve() -> None:
    """Serve until SIGTERM."""
    server = grpc.aio.server()
    collector = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    print(collector.spans, flush=True)
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(asyncio.wait_for(serve(), 3600))
