"""One stream's life: reads requests, lets the engine hear, the tracker decide and the writer tell."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from voice.turn.v1 import turn_pb2 as pb

from services.common.audio import AudioFormat, check_pcm
from services.common.errors import Draining, EngineFault, InvalidInput, Overloaded, TimedOut
from services.common.limits import AudioPace
from services.common.logging import turn_epoch
from services.turn.engine import AcousticStream, Completeness
from services.turn.events import TurnEvent
from services.turn.settings import TurnSettings
from services.turn.tracker import Question, TurnTracker
from services.turn.wire import to_expected, to_hypothesis, to_response

_STALL_STEP_S = 0.04
"""How often a turn whose audio stopped coming is looked at."""


@dataclass(slots=True)
class _Cause:
    """What made events arise, for their timing."""

    received_s: float
    queue_us: int = 0
    engine_us: int = 0


class Session:
    """Detects the turns of one caller. Created once the config is accepted; `run` returns when the stream is over."""

    def __init__(
        self,
        audio_format: AudioFormat,
        stream: AcousticStream,
        tracker: TurnTracker,
        epoch: int,
        settings: TurnSettings,
        told: Callable[[pb.DetectResponse], None] = lambda response: None,
    ) -> None:
        self._format = audio_format
        self._stream = stream
        self._tracker = tracker
        self._epoch = epoch
        self._told = told
        self._timeout_s = settings.engine_timeout_ms / 1000
        self._grace_s = settings.stall_grace_ms / 1000
        self._pace = AudioPace(settings.audio_burst_ms)
        self._ms_per_byte = audio_format.duration_ms(1)
        self._received_bytes = 0
        self._hearing_since_s = 0.0
        self._audio_at_s = time.perf_counter()
        self._outbox: asyncio.Queue[tuple[pb.DetectResponse, _Cause] | None] = asyncio.Queue(settings.event_queue)
        self._asked = asyncio.Event()
        self._question: Question | None = None

    async def run(
        self, requests: AsyncIterator[pb.DetectRequest], write: Callable[[pb.DetectResponse], Awaitable[None]]
    ) -> None:
        """Serve the stream until the client finishes it or is gone. Raises a ParleyError for the client's eyes.

        Where the requests end with Draining, what was decided so far is told before that is raised.
        """
        draining: Draining | None = None
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write(write), name="turn-write")
            helpers = [
                tasks.create_task(self._judge(), name="turn-judge"),
                tasks.create_task(self._watch(), name="turn-watch"),
            ]
            finished = False
            try:
                finished = await self._read(requests)
            except Draining as about_to_stop:
                draining = about_to_stop
            for helper in helpers:
                helper.cancel()
            if finished:
                self._emit(self._tracker.finish(), _Cause(time.perf_counter()))
            if finished or draining:
                await self._outbox.put(None)
            else:
                writer.cancel()
        if draining is not None:
            raise draining

    def is_at_rest(self) -> bool:
        """Whether no turn is open, so that another stream could take over without a loss."""
        return not self._tracker.is_open

    async def _read(self, requests: AsyncIterator[pb.DetectRequest]) -> bool:
        """Take every request; return whether the client finished (or else it is gone)."""
        async for request in requests:
            received_s = time.perf_counter()
            audio = request.audio
            if audio:
                for pcm in audio:
                    await self._hear(pcm, received_s)
            control = request.WhichOneof("control")
            if control is None:
                continue
            if control == "finish":
                return True
            self._control(request, control, received_s)
        return False

    async def _hear(self, pcm: bytes, received_s: float) -> None:
        check_pcm(pcm, self._format)
        if not pcm:
            return
        self._pace.admit(len(pcm) * self._ms_per_byte)
        self._hearing_since_s = received_s
        heard = await self._stream.hear(pcm)
        self._hearing_since_s = 0.0
        self._audio_at_s = received_s
        self._received_bytes += len(pcm)
        for frame in heard.frames:
            if not 0.0 <= frame.speech <= 1.0:
                raise EngineFault(f"the engine gave {frame.speech} as a probability of speech")
        events = self._tracker.hear(heard.frames, self._received_bytes * self._ms_per_byte)
        if events:
            self._emit(events, _Cause(received_s, heard.queue_us, heard.engine_us))
        self._pass_question()

    def _control(self, request: pb.DetectRequest, control: str, received_s: float) -> None:
        if control == "hypothesis":
            if request.hypothesis.turn_epoch < self._epoch:
                return  # crossed a new turn on its way: it says nothing of this one
            self._set_epoch(request.hypothesis.turn_epoch)
            events = self._tracker.read(to_hypothesis(request.hypothesis))
        elif control == "agent_state":
            if request.agent_state.turn_epoch < self._epoch:
                raise InvalidInput(
                    f"agent_state.turn_epoch {request.agent_state.turn_epoch} is older than {self._epoch}: "
                    "epochs only grow"
                )
            self._set_epoch(request.agent_state.turn_epoch)
            state = request.agent_state
            events = self._tracker.agent(state.speaking, to_expected(state), echo=state.echo)
        else:
            raise InvalidInput("a second config: the first request configures the stream, open another for another")
        self._emit(events, _Cause(received_s))
        self._pass_question()

    def _set_epoch(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch = epoch
            turn_epoch.set(epoch)

    def _emit(self, events: list[TurnEvent], cause: _Cause) -> None:
        for event in events:
            try:
                self._outbox.put_nowait((to_response(event, self._epoch), cause))
            except asyncio.QueueFull:
                raise Overloaded("too many events were left unread: read the responses as they come") from None

    def _pass_question(self) -> None:
        question = self._tracker.take_question()
        if question is not None:
            self._question = question
            self._asked.set()

    async def _write(self, write: Callable[[pb.DetectResponse], Awaitable[None]]) -> None:
        while (entry := await self._outbox.get()) is not None:
            response, cause = entry
            timing = response.timing
            timing.queue_us, timing.engine_us = cause.queue_us, cause.engine_us
            timing.received_to_sent_us = round((time.perf_counter() - cause.received_s) * 1e6)
            self._told(response)
            await write(response)

    async def _judge(self) -> None:
        """Have the newest pause judged; a question that came up meanwhile replaces those before it."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            question = self._question
            if question is None:
                continue
            asked_s = time.perf_counter()
            answer = await self._completeness(question)
            probability = answer.probability if answer else None
            if probability is not None and not 0.0 <= probability <= 1.0:
                raise EngineFault(f"the engine gave {probability} as a probability of a complete turn")
            cause = _Cause(asked_s, answer.queue_us, answer.engine_us) if answer else _Cause(asked_s)
            self._emit(self._tracker.answer(question.ticket, probability), cause)

    async def _completeness(self, question: Question) -> Completeness | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                return await self._stream.judge(question.onset_ms)
        return None

    async def _watch(self) -> None:
        """End a turn in real time where its audio stopped coming; fail a stream whose engine does not answer."""
        missed_until_s = 0.0
        while True:
            now_s = time.perf_counter()
            if self._hearing_since_s and now_s - self._hearing_since_s > self._timeout_s:
                raise TimedOut(f"the engine did not answer in {self._timeout_s * 1000:.0f} ms")
            late_from_s = self._audio_at_s + self._grace_s
            if now_s <= late_from_s or not self._tracker.is_open or self._hearing_since_s:
                missed_until_s = 0.0
                await asyncio.sleep(max(late_from_s - now_s, _STALL_STEP_S) if self._tracker.is_open else self._grace_s)
                continue
            missing_ms = (now_s - max(missed_until_s, late_from_s)) * 1000
            missed_until_s = now_s
            self._emit(self._tracker.miss(missing_ms), _Cause(now_s))
            self._pass_question()
            await asyncio.sleep(_STALL_STEP_S)
