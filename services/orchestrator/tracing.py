"""The spans of one call: made where things happen, or afterwards from moments that were noted. Off: a no-op.

Every moment is one of the monotonic clock; the wall clock is read once a call, so a span's parts add up in the trace as
they did here. Names and attributes: `services/common/spans.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.trace import SpanContext

from services.common import spans
from services.common.telemetry import LateSpan, Value, traceparent
from services.orchestrator import events as ev
from services.orchestrator.latency import Line

KEPT_TURNS = 8
"""Turns whose spans may still get children: what was ordered in them ends a little after them."""
Told = Mapping[str, Value]
_NOTHING: Told = {}

_CAUSES: dict[type, str] = {
    ev.InterruptRequested: "requested",
    ev.TextTyped: "replaced",
    ev.LineHeld: "barge_in",  # the caller claimed the floor over the line, which is over
    ev.StageGaveUp: "stage_failed",
    ev.WatchdogExpired: "watchdog",
}
_UNANSWERED: dict[type, str] = {
    ev.Backchannel: "backchannel",
    ev.EchoHeard: "echo",
    ev.TextTyped: "joined",
    ev.PlaybackDone: "call_ended",
}


@dataclass(slots=True)
class _Turn:
    span: LateSpan
    traceparent: str
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class TurnTexts:
    """What was said in a turn: it goes into a span only where consent and setting allow it."""

    user: str
    agent: str
    heard: str


class Open:
    """Something that lasts: work that is done before it is certain to be wanted, or a tool call. Ends once."""

    def __init__(self, span: LateSpan | None, now_ns: Callable[[], int]) -> None:
        self._span = span
        self._now_ns = now_ns

    def end(self, outcome: str = "", *, reason: str = "", failed: bool = False) -> None:
        """End it: a speculation as `used` or `discarded` (for a `reason`), a tool call as failed or not."""
        span, self._span = self._span, None
        if span is None:
            return
        if outcome:
            span.attributes[spans.SPECULATION_OUTCOME] = outcome
        if reason:
            span.attributes[spans.SPECULATION_REASON] = reason
        if failed:
            span.fail("tool_failed")
        span.end(self._now_ns())


@dataclass(slots=True)
class _BargeIn:
    epoch: int
    began_s: float
    paused_s: float | None
    verdict_s: float | None = None
    cleared_s: float | None = None


class CallTrace:
    """One call's spans. To be made where the span of the conversation is current; does nothing where that is none."""

    def __init__(
        self,
        session_id: str,
        agent: str,
        *,
        is_resumed: bool = False,
        tells_text: bool = False,
        arrival_s: Callable[[float], float | None] = lambda offset_ms: None,
    ) -> None:
        self._conversation = trace.get_current_span()
        self._is_on = self._conversation.is_recording()
        self._session_id = session_id
        self._tells_text = tells_text
        self._arrival_s = arrival_s
        self._epoch_ns = time.time_ns() - time.monotonic_ns()
        self._turns: dict[int, _Turn] = {}
        self._barge_in: _BargeIn | None = None
        self._cancelling: dict[int, tuple[float, str]] = {}
        if self._is_on:
            self._conversation.set_attributes(
                {
                    spans.SESSION_ID: session_id,
                    spans.CONVERSATION_ID: session_id,
                    spans.AGENT: agent,
                    spans.CALL_RESUMED: is_resumed,
                }
            )

    def _ns(self, at_s: float) -> int:
        return self._epoch_ns + round(at_s * 1e9)

    def _now_ns(self) -> int:
        return self._ns(time.monotonic())

    def _start(
        self, name: str, epoch: int, at_s: float, more: Told = _NOTHING, parent: SpanContext | None = None
    ) -> LateSpan | None:
        """Begin a span below `parent`, or below its turn; None where that has none."""
        if parent is None:
            turn = self._turns.get(epoch)
            if turn is None:
                return None
            parent = turn.span.context
        attributes = {spans.SESSION_ID: self._session_id, spans.TURN_EPOCH: epoch, **more}
        return LateSpan(name, parent, attributes, self._ns(at_s))

    # --- turns --------------------------------------------------------------------------------------------------------

    def traceparent(self, epoch: int) -> str:
        """Return a turn's context for another service; empty where it has none."""
        turn = self._turns.get(epoch)
        return "" if turn is None else turn.traceparent

    def _open_turn(self, epoch: int, at_s: float) -> None:
        if epoch in self._turns:
            return
        span = self._start(spans.TURN, epoch, at_s, parent=self._conversation.get_span_context())
        if span is None:
            return
        self._turns[epoch] = _Turn(span, traceparent(span.context))
        while len(self._turns) > KEPT_TURNS:
            self._end_turn(next(iter(self._turns)), "unanswered")
            del self._turns[next(iter(self._turns))]

    def _end_turn(self, epoch: int, outcome: str) -> None:
        turn = self._turns.get(epoch)
        if turn is not None and turn.is_open:
            turn.is_open = False
            turn.span.attributes[spans.TURN_OUTCOME] = outcome
            turn.span.end(self._now_ns())

    def summarised(
        self,
        epoch: int,
        lines: Sequence[Line],
        outcome: str,
        texts: TurnTexts,
        *,
        interrupted: bool,
        tool_calls: int,
        language: str = "",
        hidden_ms: float | None = None,
    ) -> None:
        """Note that a turn is complete: its lines become spans, and its own span ends.

        `language`: BCP 47. `hidden_ms`: what speculation hid of the answer; None: it was not begun on a guess.
        """
        turn = self._turns.get(epoch)
        if turn is None or not turn.is_open:
            return
        self._tell_lines(turn.span.context, epoch, lines)
        turn.span.attributes |= {spans.TURN_INTERRUPTED: interrupted, spans.TURN_TOOL_CALLS: tool_calls}
        if language:
            turn.span.attributes[spans.TURN_LANGUAGE] = language
        if hidden_ms is not None:
            turn.span.attributes[spans.TURN_HIDDEN_MS] = hidden_ms
        if self._tells_text:
            turn.span.attributes |= {
                spans.PII_USER_TEXT: texts.user,
                spans.PII_AGENT_TEXT: texts.agent,
                spans.PII_HEARD_TEXT: texts.heard,
            }
        if outcome.startswith("failed: "):
            turn.span.fail(outcome.removeprefix("failed: "))
        self._end_turn(epoch, outcome or "answer")

    def routed(self, epoch: int, route: str) -> None:
        """Note which of the agent's models answers a turn."""
        turn = self._turns.get(epoch)
        if turn is not None and turn.is_open:
            turn.span.attributes[spans.LLM_ROUTE] = route

    def _tell_lines(self, turn: SpanContext, epoch: int, lines: Sequence[Line]) -> None:
        if not lines:
            return
        begin_s, end_s = lines[0].begin_s, lines[-1].end_s
        told = {spans.RESPONSE_MS: (end_s - begin_s) * 1000}
        response = self._start(spans.TURN_RESPONSE, epoch, begin_s, told, turn)
        if response is None:
            return
        for line in lines:
            span = LateSpan(line.name, response.context, _of_line(epoch, line), self._ns(line.begin_s))
            span.end(self._ns(line.end_s))
        response.end(self._ns(end_s))

    # --- what the state machine did -----------------------------------------------------------------------------------

    def stepped(self, event: ev.Event, actions: Sequence[ev.Action]) -> None:
        """Note an event and what it made the state machine order, before that is carried out."""
        if not self._is_on:
            return
        now_s = time.monotonic()
        if isinstance(event, ev.ReplyCancelled):
            self._on_cancelled(event.epoch, now_s)
        closing = 0
        for action in actions:
            match action:
                case ev.OpenUtterance(epoch, onset_ms):
                    self._open_turn(epoch, self._heard_s(onset_ms, now_s))
                case ev.CloseUtterance(epoch):
                    closing = epoch
                case ev.StartReply(epoch) | ev.Say(epoch) | ev.Report(epoch):
                    self._open_turn(epoch, now_s)
                    closing = 0 if closing == epoch else closing
                case ev.PausePlayback(epoch):
                    onset_ms = event.onset_ms if isinstance(event, ev.SpeechStarted) else 0
                    self._begin_barge_in(epoch, self._heard_s(onset_ms, now_s), now_s)
                case ev.ResumePlayback(epoch):
                    self._end_barge_in("echo" if isinstance(event, ev.EchoHeard) else "backchannel", now_s)
                case ev.CancelReply(epoch):
                    self._on_cancel(epoch, event, now_s)
        if closing:
            ends_call = any(isinstance(action, ev.EndCall) for action in actions)
            outcome = "call_ended" if ends_call else _UNANSWERED.get(type(event), "unanswered")
            self._end_turn(closing, outcome)

    def _heard_s(self, onset_ms: int, now_s: float) -> float:
        # The onset itself may be the end of the chunk before.
        arrived_s = self._arrival_s(onset_ms + 1) if onset_ms else None
        return now_s if arrived_s is None else min(arrived_s, now_s)

    # --- barge-in and cancellation ------------------------------------------------------------------------------------

    def _begin_barge_in(self, epoch: int, began_s: float, paused_s: float | None) -> None:
        self._end_barge_in("reply_ended", began_s)
        self._barge_in = _BargeIn(epoch, began_s, paused_s)

    def _on_cancel(self, epoch: int, event: ev.Event, now_s: float) -> None:
        if isinstance(event, ev.Interruption) and (self._barge_in is None or self._barge_in.epoch != epoch):
            self._begin_barge_in(epoch, now_s, None)
        barge_in = self._barge_in
        is_barge_in = barge_in is not None and barge_in.epoch == epoch and barge_in.verdict_s is None
        if barge_in is not None and is_barge_in:
            barge_in.verdict_s = now_s
        cause = "barge_in" if is_barge_in else _CAUSES.get(type(event), "resumed")
        self._cancelling[epoch] = (now_s, cause)

    def cleared(self, epoch: int) -> None:
        """Note that the caller was told to clear its buffer."""
        if self._barge_in is not None and self._barge_in.epoch == epoch and self._barge_in.verdict_s is not None:
            self._barge_in.cleared_s = time.monotonic()

    def acknowledged(self, epoch: int) -> None:
        """Note that the caller told its position: after a clear, that all of it is silent."""
        if self._barge_in is not None and self._barge_in.epoch == epoch and self._barge_in.cleared_s is not None:
            self._end_barge_in("interruption", time.monotonic(), is_acknowledged=True)

    def _end_barge_in(self, outcome: str, now_s: float, *, is_acknowledged: bool = False) -> None:
        barge_in, self._barge_in = self._barge_in, None
        if barge_in is None:
            return
        detected_s = now_s if barge_in.verdict_s is None else barge_in.verdict_s
        cleared_s = barge_in.cleared_s
        if cleared_s is not None:
            outcome = "interruption"
        told: dict[str, Value] = {spans.BARGE_IN_OUTCOME: outcome}
        if barge_in.paused_s is not None:
            told[spans.BARGE_IN_PAUSED_MS] = (barge_in.paused_s - barge_in.began_s) * 1000
        span = self._start(spans.BARGE_IN, barge_in.epoch, barge_in.began_s, told)
        if span is None:
            return
        parts = [(spans.BARGE_IN_DETECTION, barge_in.began_s, detected_s)]
        if cleared_s is not None:
            parts.append((spans.BARGE_IN_CLEAR_SENT, detected_s, cleared_s))
            if is_acknowledged:
                parts.append((spans.BARGE_IN_CLEAR_ACKNOWLEDGED, cleared_s, now_s))
        for name, begin_s, end_s in parts:
            part = self._start(name, barge_in.epoch, begin_s, parent=span.context)
            if part is not None:
                part.end(self._ns(end_s))
        span.end(self._ns(parts[-1][2]))

    def _on_cancelled(self, epoch: int, now_s: float) -> None:
        if (ordered := self._cancelling.pop(epoch, None)) is not None:
            began_s, cause = ordered
            span = self._start(spans.CANCELLATION, epoch, began_s, {spans.CANCELLATION_CAUSE: cause})
            if span is not None:
                span.end(self._ns(now_s))

    # --- what a turn does besides -------------------------------------------------------------------------------------

    def speculation(self, epoch: int, kind: str) -> Open:
        """Begin work for turn `epoch` that may be thrown away; `kind` says what, such as `stream`."""
        now_s = time.monotonic()
        return Open(self._start(spans.SPECULATION, epoch, now_s, {spans.SPECULATION_KIND: kind}), self._now_ns)

    def tool_call(self, epoch: int, name: str, call_id: str, *, runs_at_client: bool) -> Open:
        """Begin a tool call. Its arguments and its result are what was said, and are not told."""
        told: dict[str, Value] = {
            spans.OPERATION: spans.OPERATION_EXECUTE_TOOL,
            spans.TOOL_NAME: name,
            spans.TOOL_CALL_ID: call_id,
            spans.TOOL_TYPE: "function" if runs_at_client else "extension",
        }
        return Open(self._start(spans.TOOL_CALL, epoch, time.monotonic(), told), self._now_ns)

    def close(self, turns: int, end_reason: str) -> None:
        """Note that the call is over: nothing of it stays open. The conversation's own span ends with its RPC."""
        if not self._is_on:
            return
        self._end_barge_in("reply_ended", time.monotonic())
        for epoch in self._turns:
            self._end_turn(epoch, "call_ended")
        self._conversation.set_attribute(spans.CALL_TURNS, turns)
        if end_reason:
            self._conversation.set_attribute(spans.CALL_END_REASON, end_reason)


def _of_line(epoch: int, line: Line) -> dict[str, Value]:
    told: dict[str, Value] = {spans.TURN_EPOCH: epoch}
    if not line.is_known:
        told[spans.LINE_IS_KNOWN] = False
    if (exchange := line.exchange) is not None:
        told |= {
            spans.HOP_CLIENT_MS: exchange.client_ms,
            spans.HOP_SERVER_MS: exchange.server_ms,
            spans.HOP_QUEUE_MS: exchange.queue_ms,
            spans.HOP_ENGINE_MS: exchange.engine_ms,
            spans.HOP_NETWORK_MS: exchange.network_ms,
        }
    return told
