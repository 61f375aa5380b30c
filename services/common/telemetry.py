"""Tracing set-up: off, at no cost, unless an OTLP endpoint is set.

Context crosses services as W3C `traceparent` metadata, written and read here: OpenTelemetry's own grpc.aio interceptor
wraps the servicer context and breaks `context.write`.
"""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

EXPORT_TIMEOUT_S = 2
"""A collector in the same data centre takes milliseconds. One that is gone must not hold up the end of a process."""

_propagator = TraceContextTextMapPropagator()


def setup_tracing(service: str, otlp_endpoint: str) -> None:
    """Export this process's spans to `otlp_endpoint`; with an empty endpoint, leave tracing off."""
    if not otlp_endpoint:
        return
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"parley-{service}"}))
    exporter = OTLPSpanExporter(
        endpoint=otlp_endpoint, insecure=not otlp_endpoint.startswith("https"), timeout=EXPORT_TIMEOUT_S
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def shutdown_tracing() -> None:
    """Send what is pending. Returns at once where tracing is off."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        shutdown()


def tracer() -> trace.Tracer:
    """Return the process's tracer; its spans cost next to nothing while tracing is off."""
    return trace.get_tracer("parley")


def outgoing_metadata(context: Context | None = None) -> list[tuple[str, str]]:
    """Return gRPC metadata that carries the current trace to the next service."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, context)
    return list(carrier.items())


def incoming_context(metadata: Iterable[tuple[str, str | bytes]] | None) -> Context:
    """Return the trace context that a client's gRPC metadata carries, or an empty one."""
    return _propagator.extract({key: value for key, value in metadata or () if isinstance(value, str)})
