"""What a call's spans say, from the events and the orders of its state machine; and that off means nothing at all."""

from __future__ import annotations

import time
from collections.abc import Iterator

import opentelemetry.exporter.otlp.proto.grpc.trace_exporter as otlp
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.common import spans
from services.common.telemetry import current_span, setup_tracing, shutdown_tracing
from services.orchestrator import events as ev
from services.orchestrator.latency import Line
from services.orchestrator.tracing import KEPT_TURNS, CallTrace, TurnTexts

pytestmark = pytest.mark.unit

TEXTS = TurnTexts("asked", "answered", "heard")


class Traced:
    """A call's trace, into memory."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter
        self.begun_s = time.monotonic()
        with current_span(spans.CONVERSATION):
            self.trace = CallTrace("session-1", "desk", arrival_s=lambda offset_ms: self.begun_s)

    def step(self, event: ev.Event, *actions: ev.Action) -> None:
        self.trace.stepped(event, actions)

    def summarise(self, epoch: int, outcome: str = "") -> None:
        line = Line(spans.COMMIT, self.begun_s, self.begun_s + 1)
        self.trace.summarised(epoch, [line], outcome, TEXTS, interrupted=False, tool_calls=0)

    def ended(self, name: str) -> list[ReadableSpan]:
        """Close the call and return its spans of that name."""
        self.trace.close(1, "caller")
        shutdown_tracing()
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traced]:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(otlp, "OTLPSpanExporter", lambda **_: exporter)
    setup_tracing("test", "http://nobody:4317")
    yield Traced(exporter)
    shutdown_tracing()


def values(found: list[ReadableSpan], name: str) -> list[object]:
    return [(span.attributes or {}).get(name) for span in found]


def test_off_nothing_is_made_and_no_context_goes_out() -> None:
    trace = CallTrace("session-1", "desk")
    trace.stepped(ev.TextTyped("hi"), (ev.StartReply(1, "hi"),))
    trace.speculation(1, "stream").end("used")
    trace.tool_call(1, "lookup", "1", runs_at_client=False).end(failed=True)
    trace.summarised(1, [], "", TEXTS, interrupted=False, tool_calls=0)
    trace.close(1, "caller")
    assert trace.traceparent(1) == ""
    assert not trace._turns


@pytest.mark.parametrize(
    ("event", "more", "outcome"),
    [
        (ev.Backchannel(), (ev.ResumePlayback(1),), "backchannel"),
        (ev.TextTyped("hi"), (ev.StartReply(3, "hi"),), "joined"),
        (ev.FinalHeard(2, 1, ""), (), "unanswered"),
        (ev.PlaybackDone(1), (ev.EndCall(ev.CloseReason.AGENT),), "call_ended"),
    ],
)
def test_speech_that_is_not_answered_by_itself_has_a_turn_that_says_why(
    call: Traced, event: ev.Event, more: tuple[ev.Action, ...], outcome: str
) -> None:
    call.step(ev.SpeechStarted(100), ev.OpenUtterance(2, 100))
    call.step(event, ev.CloseUtterance(2), *more)
    [turn] = [span for span in call.ended(spans.TURN) if (span.attributes or {})[spans.TURN_EPOCH] == 2]
    assert (turn.attributes or {})[spans.TURN_OUTCOME] == outcome
    assert turn.start_time is not None
    assert turn.start_time <= time.time_ns()


def test_an_utterance_that_is_answered_is_one_turn_until_its_summary(call: Traced) -> None:
    call.step(ev.SpeechStarted(100), ev.OpenUtterance(2, 100))
    call.step(ev.FinalHeard(2, 1, "hi"), ev.CloseUtterance(2), ev.StartReply(2, "hi"))
    call.summarise(2)
    call.summarise(2)  # nothing is told twice
    [turn] = call.ended(spans.TURN)
    assert (turn.attributes or {})[spans.TURN_OUTCOME] == "answer"
    assert not [name for name in turn.attributes or {} if ".pii." in name]


def test_an_answer_that_failed_says_which_stage(call: Traced) -> None:
    call.step(ev.TextTyped("hi"), ev.StartReply(1, "hi"))
    call.summarise(1, "failed: llm")
    [turn] = call.ended(spans.TURN)
    assert (turn.attributes or {})[spans.ERROR_TYPE] == "llm"
    assert not turn.status.is_ok
    assert turn.status.status_code.name == "ERROR"


def test_a_backchannel_is_a_barge_in_that_came_to_nothing(call: Traced) -> None:
    call.step(ev.TextTyped("hi"), ev.StartReply(1, "hi"))
    call.step(ev.SpeechStarted(100), ev.PausePlayback(1), ev.OpenUtterance(2, 100))
    call.step(ev.Backchannel(), ev.ResumePlayback(1), ev.CloseUtterance(2))
    [barge_in] = call.ended(spans.BARGE_IN)
    assert (barge_in.attributes or {})[spans.BARGE_IN_OUTCOME] == "backchannel"
    assert (barge_in.attributes or {})[spans.BARGE_IN_PAUSED_MS] >= 0  # type: ignore[operator]


def test_an_interruption_without_a_pause_is_one_too_and_the_caller_need_not_acknowledge(call: Traced) -> None:
    call.step(ev.TextTyped("hi"), ev.StartReply(1, "hi"))
    call.step(ev.Interruption(), ev.CancelReply(1), ev.OpenUtterance(2, 0))
    call.trace.cleared(1)
    call.step(ev.ReplyCancelled(1))
    [barge_in] = call.ended(spans.BARGE_IN)
    assert (barge_in.attributes or {})[spans.BARGE_IN_OUTCOME] == "interruption"
    assert not call.ended(spans.BARGE_IN_CLEAR_ACKNOWLEDGED)
    assert len(call.ended(spans.BARGE_IN_CLEAR_SENT)) == 1
    assert values(call.ended(spans.CANCELLATION), spans.CANCELLATION_CAUSE) == ["barge_in"]


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (ev.InterruptRequested(), "requested"),
        (ev.SpeechStarted(0), "resumed"),
        (ev.TextTyped("no"), "replaced"),
        (ev.LineHeld(1, is_held=False), "barge_in"),
        (ev.WatchdogExpired(ev.Watchdog.REPLY), "watchdog"),
        (ev.StageGaveUp(), "stage_failed"),
    ],
)
def test_a_cancellation_says_why(call: Traced, event: ev.Event, cause: str) -> None:
    call.step(ev.TextTyped("hi"), ev.StartReply(1, "hi"))
    call.step(event, ev.CancelReply(1))
    call.step(ev.ReplyCancelled(1))
    assert values(call.ended(spans.CANCELLATION), spans.CANCELLATION_CAUSE) == [cause]
    assert not call.ended(spans.BARGE_IN)


def test_a_tool_that_failed_is_marked_and_speculation_ends_once(call: Traced) -> None:
    call.step(ev.TextTyped("hi"), ev.StartReply(1, "hi"))
    call.trace.tool_call(1, "lookup", "call-1", runs_at_client=False).end(failed=True)
    guess = call.trace.speculation(1, "stream")
    guess.end("discarded")
    guess.end("used")
    [tool] = call.ended(spans.TOOL_CALL)
    assert (tool.attributes or {})[spans.ERROR_TYPE] == "tool_failed"
    assert values(call.ended(spans.SPECULATION), spans.SPECULATION_OUTCOME) == ["discarded"]


def test_a_long_call_keeps_few_turns_and_each_ends(call: Traced) -> None:
    for epoch in range(1, 31):
        call.step(ev.SpeechStarted(0), ev.OpenUtterance(epoch, 0))
    assert len(call.trace._turns) == KEPT_TURNS
    assert len(call.ended(spans.TURN)) == 30
