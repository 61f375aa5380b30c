"""Tracing that is off, and trace context between services."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import opentelemetry.exporter.otlp.proto.grpc.trace_exporter as otlp
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.common import spans
from services.common.telemetry import (
    UNTRACED,
    LateSpan,
    context_of,
    current_span,
    incoming_context,
    joined_context,
    outgoing_metadata,
    setup_tracing,
    shutdown_tracing,
    trace_ids,
    traceparent,
    tracer,
)

pytestmark = pytest.mark.unit

OFF = """
import sys
from services.common.telemetry import outgoing_metadata, setup_tracing, shutdown_tracing, tracer
setup_tracing("tts", "")
with tracer().start_as_current_span("nothing") as span:
    assert not span.is_recording()
    assert outgoing_metadata() == []
shutdown_tracing()
assert not [name for name in sys.modules if name.startswith(("opentelemetry.exporter", "opentelemetry.sdk"))]
"""


def test_off_loads_no_exporter_and_records_nothing() -> None:
    ended = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_context_goes_out_and_comes_in_again() -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("caller") as span:
        metadata = outgoing_metadata()
    assert [key for key, _ in metadata] == ["traceparent"]
    received = trace.get_current_span(incoming_context([*metadata, ("x-other", b"\x00")])).get_span_context()
    assert received.trace_id == span.get_span_context().trace_id
    assert received.is_remote


@pytest.mark.parametrize("metadata", [None, [], [("traceparent", "rubbish")], [("traceparent", b"\xff")]])
def test_no_context_or_rubbish_is_no_context(metadata: list[tuple[str, str | bytes]] | None) -> None:
    assert not trace.get_current_span(incoming_context(metadata)).get_span_context().is_valid


def test_a_span_outside_any_trace_is_harmless() -> None:
    with tracer().start_as_current_span("alone", incoming_context(None)) as span:
        span.set_attribute("n", 1)


TOLD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_stage_s_task_joins_its_client_s_trace_whether_it_traces_itself_or_not() -> None:
    async def rpc() -> tuple[str, str] | None:
        joined_context([("traceparent", TOLD)])
        return trace_ids()

    assert await asyncio.create_task(rpc()) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert trace_ids() is None


def test_a_message_s_own_context_comes_before_the_stream_s() -> None:
    stream = incoming_context([("traceparent", TOLD.replace("b7", "c8"))])
    assert traceparent(trace.get_current_span(context_of(TOLD, stream)).get_span_context()) == TOLD
    assert context_of("", stream) is stream


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Trace into memory."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(otlp, "OTLPSpanExporter", lambda **_: exporter)
    setup_tracing("test", "http://nobody:4317")
    yield exporter
    shutdown_tracing()


def test_an_error_is_told_by_its_type_alone(exported: InMemorySpanExporter) -> None:
    with pytest.raises(ExceptionGroup), current_span("one"):
        raise ExceptionGroup("what was said", [ValueError("what was said")])
    with pytest.raises(asyncio.CancelledError), current_span("two"):
        raise asyncio.CancelledError
    shutdown_tracing()
    one, two = exported.get_finished_spans()
    assert dict(one.attributes or {}) == {spans.ERROR_TYPE: "ValueError"}
    assert not one.events
    assert (one.status.status_code, one.status.description) == (trace.StatusCode.ERROR, None)
    assert (two.status.status_code, dict(two.attributes or {})) == (trace.StatusCode.UNSET, {})


def test_what_belongs_to_no_call_leaves_no_span(exported: InMemorySpanExporter) -> None:
    with current_span("apart", incoming_context(UNTRACED)) as span:
        assert not span.is_recording()
    with current_span("traced", incoming_context([("traceparent", TOLD)])):
        pass
    shutdown_tracing()
    assert [span.name for span in exported.get_finished_spans()] == ["traced"]
    with current_span("off") as span:
        assert not span.is_recording()


def test_a_span_that_is_written_down_late_is_as_any_other(exported: InMemorySpanExporter) -> None:
    with current_span("parent") as parent:
        late = LateSpan("late", parent.get_span_context(), {spans.TURN_EPOCH: 3}, begin_ns=1000)
        below = LateSpan("below", late.context, {}, begin_ns=1500)
        below.fail("llm")
        below.end(1200)
        late.end(2000)
    shutdown_tracing()
    LateSpan("off", late.context, {}, begin_ns=1).end(2)
    found = {span.name: span for span in exported.get_finished_spans()}
    assert set(found) == {"parent", "late", "below"}
    assert found["late"].parent == parent.get_span_context()
    assert found["below"].parent == late.context
    assert (found["late"].start_time, found["late"].end_time) == (1000, 2000)
    assert (found["below"].start_time, found["below"].end_time) == (1500, 1500), "it never ends before it began"
    assert found["late"].resource == found["parent"].resource
    assert found["late"].instrumentation_scope == found["parent"].instrumentation_scope
    assert found["below"].status.status_code is trace.StatusCode.ERROR
    assert dict(found["below"].attributes or {}) == {spans.ERROR_TYPE: "llm"}
