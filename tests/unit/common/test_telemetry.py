"""Tracing that is off, and trace context between services."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from services.common.telemetry import incoming_context, outgoing_metadata, tracer

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
