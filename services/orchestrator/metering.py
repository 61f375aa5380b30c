"""What one call adds to the metrics, read off what its session does. Names and labels: `services/common/metrics.py`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from services.common import metrics
from services.common.errors import Draining, InvalidInput, NotFound, NotReady, Overloaded
from services.common.interceptors import first_cause
from services.common.spans import LINES
from services.orchestrator import events as ev
from services.orchestrator.latency import Exchange, Line
from services.orchestrator.turn_state import Phase, TurnState

_STAGE_OF = {line.name: line.stage for line in LINES}
_REFUSALS: tuple[tuple[type[BaseException], str], ...] = (
    (asyncio.CancelledError, "caller_left"),
    (Draining, "draining"),
    (NotReady, "not_ready"),
    (Overloaded, "overloaded"),
    (InvalidInput, "invalid"),
    (NotFound, "not_found"),
)
_WAITING = (Phase.THINKING, Phase.SPEAKING, Phase.INTERRUPTED)


class CallMeter:
    """Counts one call: whether it comes up, its turns, what was said over the agent, how it ends."""

    def __init__(self) -> None:
        self._has_begun = False
        self._agent = ""
        self._arrival_s: Callable[[float], float | None] = lambda offset_ms: None
        self._is_interrupting = False
        self._reason = ""
        self._phase = Phase.IDLE

    def began(self, agent: str, arrival_s: Callable[[float], float | None]) -> None:
        """Note that the call is up. `arrival_s`: when a moment of the caller's audio arrived."""
        self._has_begun = True
        self._agent, self._arrival_s = agent, arrival_s
        metrics.CALLS_STARTED.add(1)
        metrics.CALLS_ACTIVE.add(1)

    def ended(self, reason: str, phase: Phase) -> None:
        """Note why the call is over, and where it stood; `reason`: of its `ended` message, empty where it had none."""
        self._reason, self._phase = reason, phase

    def close(self, error: BaseException | None) -> None:
        """Count the call, now that nothing of it runs any more. `error`: what its RPC fails with."""
        cause = None if error is None else first_cause(error)
        if not self._has_begun:
            if cause is not None:
                reason = next((name for kind, name in _REFUSALS if isinstance(cause, kind)), "failed")
                metrics.CALLS_REFUSED.add(1, reason=reason)
            return
        has_failed = cause is not None and not isinstance(cause, asyncio.CancelledError)
        metrics.CALLS_ACTIVE.add(-1)
        metrics.CALLS_ENDED.add(1, reason=self._reason or ("failed" if has_failed else "disconnected"))
        self._judge("true")
        is_left = self._reason == ev.CloseReason.CALLER.value or not (self._reason or has_failed)
        if is_left and self._phase in _WAITING:
            metrics.CALLS_DROPPED_OFF.add(1, phase=self._phase.value)

    def summarised(self, lines: Sequence[Line], response_ms: float, outcome: str, language: str) -> None:
        """Take a turn that is complete, as its summary tells it."""
        metrics.TURN_LANGUAGES.add(1, language=language or "auto")
        kind = "failed" if outcome.startswith("failed: ") else outcome or "answer"
        metrics.TURN_OUTCOMES.add(1, outcome=kind)
        for line in lines:
            if line.exchange is not None:
                _exchanged(_STAGE_OF[line.name], line.exchange)
        if not response_ms:
            return
        metrics.TURN_RESPONSE.record(response_ms, agent=self._agent)
        for line in lines:
            if line.is_known:
                metrics.TURN_LINE.record(line.duration_ms, line=line.name, agent=self._agent)

    def stepped(self, before: TurnState, event: ev.Event, actions: Sequence[ev.Action]) -> None:
        """Take an event and what was ordered because of it, once that was carried out."""
        if _is_resumption(before, event):
            metrics.TURN_RESUMED.add(1)
        for action in actions:
            match action:
                case ev.PausePlayback():
                    self._silenced(event)
                case ev.ResumePlayback() if not isinstance(event, ev.EchoHeard):  # counted where it is heard
                    metrics.INTERRUPTIONS.add(1, kind="backchannel" if before.partial else "false")
                case ev.CancelReply():
                    self._is_interrupting = self._is_interrupting or _is_barge_in(before, event)
                case ev.StartReply():
                    self._judge("true")
                case ev.Say(_, ev.Phrase.NOT_HEARD):
                    self._judge("false")
        if actions and all(isinstance(action, ev.CloseUtterance) for action in actions):
            self._judge("false")  # the agent was cut off, and then no word came

    def _silenced(self, event: ev.Event) -> None:
        if isinstance(event, ev.SpeechStarted) and event.onset_ms:
            onset_s = self._arrival_s(event.onset_ms + 1)  # the onset itself may be the end of the chunk before
            if onset_s is not None:
                metrics.BARGE_IN_TIME.record(max(0.0, time.monotonic() - onset_s) * 1000)

    def _judge(self, kind: str) -> None:
        if self._is_interrupting:
            self._is_interrupting = False
            metrics.INTERRUPTIONS.add(1, kind=kind)


def _is_barge_in(before: TurnState, event: ev.Event) -> bool:
    if isinstance(event, ev.WatchdogExpired):
        return event.watchdog is ev.Watchdog.JUDGEMENT
    return before.phase is Phase.SPEAKING and isinstance(event, ev.Interruption | ev.EndOfTurn | ev.LineHeld)


def _is_resumption(before: TurnState, event: ev.Event) -> bool:
    if isinstance(event, ev.TurnResumed):
        return bool(before.utterance)
    is_answering = before.turn_over or (before.answering and bool(before.kept_text))
    return isinstance(event, ev.SpeechStarted) and before.phase is Phase.THINKING and is_answering


def _exchanged(stage: str, exchange: Exchange) -> None:
    hop = metrics.STAGE_HOP
    hop.record(exchange.client_ms, stage=stage, part="client")
    hop.record(exchange.queue_ms, stage=stage, part="queue")
    hop.record(exchange.engine_ms, stage=stage, part="engine")
    hop.record(exchange.network_ms, stage=stage, part="network")


@contextmanager
def metered() -> Iterator[CallMeter]:
    """Count the call that the block holds, also where it does not come up."""
    meter = CallMeter()
    try:
        yield meter
    except BaseException as error:
        meter.close(error)
        raise
    meter.close(None)
