"""Tracing set-up: off, at no cost, unless an OTLP endpoint is set. Names of spans and attributes: `spans.py`.

Context crosses services as W3C `traceparent` metadata, written and read here: OpenTelemetry's own grpc.aio interceptor
wraps the servicer context and breaks `context.write`. A stream that lasts a whole call has the call's context in its
metadata, and the turn's in the messages that begin something (`traceparent` fields).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.common import spans

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

EXPORT_TIMEOUT_S = 2
"""A collector in the same data centre takes milliseconds. One that is gone must not hold up the end of a process."""
EXPORT_EVERY_MS = 1_000
"""A turn is in the collector a second after its end, not after the call."""
MAX_PENDING_SPANS = 16_384
SCOPE = "parley"
TRACEPARENT = "traceparent"
UNTRACED = [(TRACEPARENT, f"00-{1:032x}-{1:016x}-00")]
"""Metadata of what belongs to no call: a context that is not sampled, so that nothing is recorded below it."""

Value = str | bool | int | float
_UNSET = trace.Status(trace.StatusCode.UNSET)
_FAILED = trace.Status(trace.StatusCode.ERROR)
_propagator = TraceContextTextMapPropagator()
_no_tracer = trace.NoOpTracer()
_provider: TracerProvider | None = None
_processor: SpanProcessor | None = None
_tracer: trace.Tracer = _no_tracer


def setup_tracing(service: str, otlp_endpoint: str) -> None:
    """Export this process's spans to `otlp_endpoint`; with an empty endpoint, leave tracing off."""
    global _provider, _processor, _tracer
    if not otlp_endpoint:
        return
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"parley-{service}"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(
        endpoint=otlp_endpoint, insecure=not otlp_endpoint.startswith("https"), timeout=EXPORT_TIMEOUT_S
    )
    _processor = BatchSpanProcessor(exporter, max_queue_size=MAX_PENDING_SPANS, schedule_delay_millis=EXPORT_EVERY_MS)
    provider.add_span_processor(_processor)
    _provider, _tracer = provider, provider.get_tracer(SCOPE)


def shutdown_tracing() -> None:
    """Send what is pending, and turn tracing off. Returns at once where it is off."""
    global _provider, _processor, _tracer
    provider, _provider, _processor, _tracer = _provider, None, None, _no_tracer
    if provider is not None:
        provider.shutdown()


def tracer() -> trace.Tracer:
    """Return the process's tracer; its spans cost next to nothing while tracing is off."""
    return _tracer


@contextmanager
def current_span(
    name: str, context: Context | None = None, attributes: Mapping[str, Value] | None = None
) -> Iterator[trace.Span]:
    """Make a span that is the current one, and so in log entries, while the block runs.

    An error is told by its type alone: its text may quote what was said.
    """
    with _tracer.start_as_current_span(
        name, context, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except asyncio.CancelledError:
            raise
        except Exception as error:
            cause: BaseException = error
            while isinstance(cause, BaseExceptionGroup):
                cause = cause.exceptions[0]
            span.set_attribute(spans.ERROR_TYPE, type(cause).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise


class LateSpan:
    """A span that is written down when it ends, from moments that somebody else noted: never the current one.

    A turn has twenty of them. This costs a fifth of a span of the SDK's, which guards itself against several threads
    and copies every attribute; what the exporter is given is the same. Made while tracing is off, it ends in nothing.
    """

    __slots__ = ("_begin_ns", "_failed", "_name", "_parent", "attributes", "context")

    def __init__(self, name: str, parent: SpanContext, attributes: dict[str, Value], begin_ns: int) -> None:
        self._name = name
        self._parent = parent
        self._begin_ns = begin_ns
        self._failed = False
        self.attributes = attributes
        self.context = SpanContext(
            parent.trace_id, random.getrandbits(64) or 1, is_remote=False, trace_flags=parent.trace_flags
        )
        """To be given to its children, and to other services."""

    def fail(self, error_type: str) -> None:
        """Mark it as failed."""
        self._failed = True
        self.attributes[spans.ERROR_TYPE] = error_type

    def end(self, end_ns: int) -> None:
        """Hand it to the exporter. `begin_ns` and `end_ns` are nanoseconds of the wall clock."""
        provider, processor = _provider, _processor
        if provider is None or processor is None:
            return
        from opentelemetry.sdk.trace import ReadableSpan

        span = ReadableSpan(
            self._name,
            context=self.context,
            parent=self._parent,
            resource=provider.resource,
            attributes=self.attributes,
            status=_FAILED if self._failed else _UNSET,
            start_time=self._begin_ns,
            end_time=max(self._begin_ns, end_ns),
            instrumentation_scope=getattr(_tracer, "_instrumentation_scope", None),
        )
        processor.on_end(span)


def outgoing_metadata(context: Context | None = None) -> list[tuple[str, str]]:
    """Return gRPC metadata that carries the current trace, or `context`'s, to the next service."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, context)
    return list(carrier.items())


def traceparent(span: SpanContext) -> str:
    """Return a span's context as a W3C traceparent."""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def incoming_context(metadata: Iterable[tuple[str, str | bytes]] | None) -> Context:
    """Return the trace context that a client's gRPC metadata carries, or an empty one."""
    return _propagator.extract({key: value for key, value in metadata or () if isinstance(value, str)}, Context())


def joined_context(metadata: Iterable[tuple[str, str | bytes]] | None) -> Context:
    """Return the client's trace context, and make it this task's, so that its log entries name the trace."""
    context = incoming_context(metadata)
    contexts.attach(context)  # never detached: an RPC's task ends with it
    return context


def context_of(told: str, otherwise: Context) -> Context:
    """Return the context of a traceparent that a message carries; where it has none, `otherwise`."""
    return incoming_context([(TRACEPARENT, told)]) if told else otherwise


def trace_ids() -> tuple[str, str] | None:
    """Return trace id and span id of the current context, in hexadecimal; None outside any trace."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return None
    return trace.format_trace_id(current.trace_id), trace.format_span_id(current.span_id)
