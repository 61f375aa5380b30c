"""One conversation: the state machine in the middle, the caller on one side, the stages on the other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

from voice.asr.v1 import asr_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.errors import ParleyError
from services.orchestrator import events as ev
from services.orchestrator import messages
from services.orchestrator.alarm import Alarm
from services.orchestrator.assembly import SessionHooks, assemble
from services.orchestrator.canned import CannedSpeech
from services.orchestrator.history import History
from services.orchestrator.latency import Line
from services.orchestrator.metering import CallMeter
from services.orchestrator.notices import Notices
from services.orchestrator.outbox import CallerGone, Outbox
from services.orchestrator.reply import Reply
from services.orchestrator.sessions.keeper import Keeper
from services.orchestrator.sessions.store import SessionRecord
from services.orchestrator.sessions.turns import turn_entry
from services.orchestrator.setup import CallSetup, deadlines_of
from services.orchestrator.speculation import SpeculationBudget
from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.stream import wait_until_up
from services.orchestrator.state import TurnState, step

log = logging.getLogger(__name__)

FLUSH_S = 2.0
TOOLS_FINISH_S = 5.0


class Session:
    """A call from its start to its end. Everything runs in one TaskGroup; nothing outlives it."""

    def __init__(
        self,
        setup: CallSetup,
        stages: Stages,
        canned: CannedSpeech,
        budget: SpeculationBudget,
        keeper: Keeper,
        meter: CallMeter,
    ) -> None:
        self._setup = setup
        self._stages = stages
        self._canned = canned
        self._budget = budget
        self._keeper = keeper
        self._meter = meter
        self._deadlines = deadlines_of(stages.settings)
        self._alarm = Alarm(self._deadlines, self.dispatch)
        self._history = History.from_json(setup.record.messages)
        self._state = TurnState(last_epoch=setup.record.last_epoch, epoch=setup.record.last_epoch)
        self._turns = setup.record.turns
        self._events: deque[ev.Event] = deque()
        self._is_stepping = False
        self._end_reason = ""
        self._over = asyncio.Event()
        self._failure: ParleyError | None = None
        self._tasks: asyncio.TaskGroup
        self._tool_tasks: set[asyncio.Task[None]] = set()
        self._spawned: set[asyncio.Task[None]] = set()
        self.closed = asyncio.Event()
        """Set once the call is over and its record is kept."""
        self.session_id = setup.record.session_id
        self.agent_name = setup.agent.name

    @property
    def turns(self) -> int:
        """Turns so far."""
        return self._turns

    @property
    def epoch(self) -> int:
        """The turn in progress."""
        return self._state.epoch

    # --- life ---------------------------------------------------------------------------------------------------------

    async def run(self, requests: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[None]]) -> None:
        """Hold the conversation until it ends or the caller is gone. Raises NotReady where a stage is down then."""
        self._outbox = Outbox(write, self._on_stuck)
        self._notices = Notices(self._outbox.send, self.dispatch)
        forget = self._stages.on_unhealthy(self._on_unhealthy)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._parts = assemble(
                    self._setup, self._stages, self._canned, self._budget, self._history, self._notices, self._hooks()
                )
                streams = self._parts.streams
                running = [tasks.create_task(stream.run(), name=f"{stream.stage}-stream") for stream in streams]
                running.append(tasks.create_task(self._write_caller(), name="caller-writer"))
                await self._begin(requests, running)
                await self._over.wait()
                self._parts.speculating.close()
                self._parts.speaking.close()
                await self._wind_up()
                for task in [*running, *self._spawned]:
                    task.cancel()
            if self._failure is not None:
                raise self._failure
        finally:
            forget()
            self._alarm.stop()
            self._parts.speculating.close()
            self._parts.speaking.close()
            self._parts.trace.close(self._turns, self._end_reason)
            self._meter.ended(self._end_reason, self._state.phase)
            self._keep()

    def _hooks(self) -> SessionHooks:
        return SessionHooks(
            dispatch=self.dispatch,
            send=self._outbox.send,
            spawn=self._spawn,
            state=lambda: self._state,
            hypothesis=self._on_hypothesis,
            changed=self._keep,
            summarised=self._on_summarised,
            end=lambda: self._end(ev.CloseReason.CALLER),
        )

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._tasks.create_task(coroutine, name=name)
        kept = self._tool_tasks if name.startswith("tool-") else self._spawned
        kept.add(task)
        task.add_done_callback(kept.discard)
        return task

    async def _begin(self, requests: AsyncIterator[bytes], running: list[asyncio.Task[None]]) -> None:
        setup = self._setup
        await wait_until_up(self._parts.streams, self._stages.settings.stage_ready_ms)
        if self._over.is_set():  # ended from outside meanwhile
            return
        self._outbox.send(self._started())
        self._meter.began(self.agent_name, self._parts.listening.hearing.arrival_s)
        log.info("call started", extra={"agent": self.agent_name, "resumed": setup.is_resumed})
        unanswered = self._history.unanswered_text if setup.is_resumed else ""
        if unanswered:
            self._history.messages.pop()
        self.dispatch(ev.CallStarted(greet=not setup.is_resumed, unanswered_text=unanswered))
        if self._history.has_untold_report:  # of the call that this one resumes
            self.dispatch(ev.ToolReported())
        running.append(self._tasks.create_task(self._read_caller(requests), name="caller-reader"))
        self._parts.speaking.sentences.keep()
        self._parts.speaking.tools.ahead.call_began()

    def _started(self) -> bytes:
        setup, heard = self._setup, self._parts.listening.heard_languages
        language = setup.languages.agent.language_tag
        return messages.started(
            self.session_id, self.agent_name, setup.is_resumed, self._parts.engines, language=language, heard=heard
        )

    async def _read_caller(self, requests: AsyncIterator[bytes]) -> None:
        on_message, is_over = self._parts.caller.on_message, self._over.is_set
        try:
            async for raw in requests:
                on_message(raw)
                if is_over():
                    return
            log.info("the caller is gone; the session can be resumed")
        except ParleyError as error:
            # Kept until the last response is written: grpc.aio cannot abort a stream while a write is cancelled in it.
            self._failure = error
        self._over.set()

    async def _write_caller(self) -> None:
        try:
            await self._outbox.run()
        except CallerGone:
            self._over.set()

    def _on_stuck(self) -> None:
        if not self._over.is_set():
            log.warning("the caller does not read its responses: the call is dropped, the session can be resumed")
            self._over.set()

    async def _wind_up(self) -> None:
        """Let running tools finish and the last responses go out, within short deadlines."""
        if self._tool_tasks:
            await asyncio.wait(set(self._tool_tasks), timeout=TOOLS_FINISH_S)
            for task in self._tool_tasks:
                task.cancel()
        try:
            async with asyncio.timeout(FLUSH_S):
                await self._outbox.flushed()
        except TimeoutError:
            log.info("the caller did not take the last responses")

    def _end(self, reason: ev.CloseReason) -> None:
        if not self._over.is_set():
            self._end_reason = reason.value
            self._parts.speaking.close()
            self._outbox.send(messages.ended(reason))
            log.info("call ended", extra={"reason": reason.value, "turns": self._turns})
            self._over.set()

    def end(self, reason: ev.CloseReason) -> None:
        """End the call from outside: by the API, or because the session goes on elsewhere."""
        self._end(reason)

    def going_away(self, grace_ms: int) -> None:
        """Tell the caller that the server is about to stop."""
        self._outbox.send(messages.going_away(grace_ms))

    def _on_summarised(self, reply: Reply, lines: Sequence[Line], response_ms: float) -> None:
        self._meter.summarised(lines, response_ms, reply.outcome, reply.language)
        self._keeper.log_turn(turn_entry(self.session_id, self.agent_name, reply, lines, response_ms))

    def _keep(self) -> None:
        self._keeper.keep(
            SessionRecord(
                session_id=self.session_id,
                agent=self.agent_name,
                last_epoch=self._state.last_epoch,
                turns=self._turns,
                messages=self._history.to_json(),
                language=self._setup.languages.agent.language,
            )
        )

    # --- events -------------------------------------------------------------------------------------------------------

    def dispatch(self, event: ev.Event) -> None:
        """Run one event through the state machine and carry out what it orders. Events that arise meanwhile follow.

        Once the call is over nothing follows from anything: what a tool still reports is told in the next one.
        """
        if self._over.is_set():
            return
        self._events.append(event)
        if self._is_stepping:
            return
        self._is_stepping = True
        try:
            while self._events:
                self._step(self._events.popleft())
        finally:
            self._is_stepping = False
        if not self._over.is_set():
            self._alarm.set(self._state)
            self._parts.speculating.look()

    def _step(self, event: ev.Event) -> None:
        before = self._state
        self._state, actions = step(before, event, self._deadlines)
        if (before.phase, before.epoch) != (self._state.phase, self._state.epoch):
            self._outbox.send(messages.state_changed(self._state.phase, self._state.epoch))
        self._parts.trace.stepped(event, actions)
        for action in actions:
            self._act(action)
        if before.utterance and not self._state.utterance:  # what is typed over a held line keeps its own until then
            self._setup.languages.forget()
        self._meter.stepped(before, event, actions)

    def _act(self, action: ev.Action) -> None:
        parts = self._parts
        hearing, speaking = parts.listening.hearing, parts.speaking
        match action:
            case ev.OpenUtterance(epoch, onset_ms):
                parts.marks.opened(epoch)
                hearing.open_utterance(epoch, onset_ms, parts.trace.traceparent(epoch))
                speaking.answers.expect_words(epoch)
            case ev.Finalize(epoch, finalize_id):
                parts.marks.asked(finalize_id)
                hearing.finalize(finalize_id)
                speaking.answers.expect_reply(epoch)
            case ev.CloseUtterance():
                hearing.close_utterance()
            case ev.StartReply(epoch, user_text):
                self._turns += 1
                speaking.start_reply(epoch, user_text, parts.marks.take(epoch))
            case ev.Say(epoch, phrase, close):
                speaking.say(epoch, phrase, close)
            case ev.Report(epoch):
                speaking.report(epoch)
            case ev.CancelReply(epoch, unsay_user):
                speaking.cancel(epoch, unsay_user=unsay_user)
            case ev.PausePlayback(epoch):
                speaking.pause(epoch)
            case ev.ResumePlayback(epoch):
                speaking.resume(epoch)
            case ev.RestartRecogniser():
                parts.listening.asr.restart("it did not finalise in time")
            case ev.EndCall(reason):
                self._end(reason)

    # --- what the stages say ------------------------------------------------------------------------------------------

    def _on_hypothesis(self, response: asr_pb2.RecognizeResponse) -> str:
        self._parts.marks.on_hypothesis(response)
        epoch, hypothesis = response.turn_epoch, response.hypothesis
        if epoch != self._state.utterance or not hypothesis.text:
            return ""
        text = " ".join(part for part in (self._state.kept_text, hypothesis.text) if part)
        hypothesis.language = self._setup.languages.hear(hypothesis.language)
        self._parts.speculating.heard(epoch, text, hypothesis)
        self._outbox.send(
            messages.transcript(
                pb.SPEAKER_USER,
                text,
                epoch,
                is_final=hypothesis.is_final,
                confidence=hypothesis.confidence,
                language=hypothesis.language,
            )
        )
        return text

    def _on_unhealthy(self, stage: str) -> None:
        for stream in self._parts.streams:
            if stream.stage == stage:
                stream.restart("it does not answer health checks")

    def store_failed(self) -> None:
        """Tell the caller that the session could not be resumed for now."""
        self._notices.store_failed()
