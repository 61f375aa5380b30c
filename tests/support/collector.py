"""An OTLP collector in the test's own process: a gRPC server that keeps the spans that it is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from services.common.telemetry import setup_tracing, shutdown_tracing


@dataclass(frozen=True)
class Span:
    """One span as it came over the wire."""

    service: str
    name: str
    id: str
    parent_id: str
    trace_id: str
    begin_ns: int
    end_ns: int
    attributes: dict[str, Any]
    raw: bytes = field(repr=False)

    @property
    def duration_ms(self) -> float:
        """How long it took."""
        return (self.end_ns - self.begin_ns) / 1e6


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
        """Take what an exporter sends."""
        for resource in request.resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            self.spans += [_span(service, span) for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def named(self, name: str) -> list[Span]:
        """Return all spans of that name, in the order of their beginnings."""
        return sorted((span for span in self.spans if span.name == name), key=lambda span: span.begin_ns)

    def one(self, name: str, **attributes: Any) -> Span:
        """Return the only span of that name, and with these attributes (dots written as __)."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        found = [span for span in self.named(name) if wanted.items() <= span.attributes.items()]
        assert len(found) == 1, f"{len(found)} spans {name} with {wanted}, of {self.named(name)}"
        return found[0]

    def parent(self, span: Span) -> Span | None:
        """Return a span's parent, where it was exported too."""
        return next((other for other in self.spans if other.id == span.parent_id), None)

    def children(self, span: Span) -> list[Span]:
        """Return what hangs directly below a span, in the order of its beginnings."""
        below = [other for other in self.spans if other.parent_id == span.id]
        return sorted(below, key=lambda other: (other.begin_ns, other.end_ns))


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(entry) for entry in value.array_value.values] if kind == "array_value" else getattr(value, kind)


def _attributes(entries: Any) -> dict[str, Any]:
    return {entry.key: _value(entry.value) for entry in entries}


def _span(service: str, span: Any) -> Span:
    return Span(
        service=service,
        name=span.name,
        id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        trace_id=span.trace_id.hex(),
        begin_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        raw=span.SerializeToString(),
    )


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    """Serve a collector; give it and its endpoint."""
    server = grpc.aio.server()
    collector = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)


@contextlib.asynccontextmanager
async def tracing(service: str = "test") -> AsyncIterator[Collector]:
    """Trace this process into a collector. All has arrived there once the block was left."""
    async with collecting() as (collector, endpoint):
        setup_tracing(service, endpoint)
        try:
            yield collector
        finally:
            await asyncio.to_thread(shutdown_tracing)
