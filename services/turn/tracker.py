"""The state machine of one stream: frames, text and the agent's state in, turn events out. No I/O; a clock is given.

A turn opens with speech and is over with `EndOfTurn` or, over the agent, with `Backchannel`. Its pauses are judged by
`endpointing.plan`; speech over the agent is judged first, and ends as any other turn once it is an interruption.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.common.expected import Expected
from services.turn import dispute, endpointing
from services.turn.adapting import AVERAGE, PauseHistory
from services.turn.dispute import Floor, SpeechOver, Verdict
from services.turn.endpointing import Evidence, Plan, TurnRules
from services.turn.engine import Capabilities, Frame
from services.turn.events import (
    Backchannel,
    EagerEndOfTurn,
    EndOfTurn,
    EndReason,
    Hypothesis,
    Interruption,
    InterruptionReason,
    SpeechStarted,
    SpeechStopped,
    TurnEvent,
    TurnResumed,
)
from services.turn.gate import Change, SpeechGate
from services.turn.languages.words import tokens_of

CUT_OFF_MS = 1000
"""Speech this soon after the end of a turn goes on with it: the answer has hardly begun and is not replied to."""
PROMPT_MS = 300
"""Silence after the agent's last word within which an answer is begun at once: between people it is 200 ms on average
(Stivers et al., Universals and cultural variation in turn-taking in conversation, PNAS 2009)."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A turn that was said to be over; what follows shows whether it was."""

    at_ms: float
    speech_end_ms: float
    is_whole: bool
    is_prompt: bool


@dataclass(slots=True)
class _Turn:
    onset_ms: float
    floor: Floor
    speech_ms: float = 0.0
    end_ms: float = 0.0
    eager: bool = False
    ticket: int = 0
    audio: float | None = None
    audio_pending: bool = False
    hypothesis: Hypothesis | None = None
    changes: int = 0
    changed_ms: float | None = None
    plan: Plan | None = None
    echo_ms: float = 0.0
    """Of its speech, up to where the agent's own echo was heard."""
    is_prompt: bool = False
    follows: _Ended | None = None
    """The turn that this may be the rest of."""


@dataclass(frozen=True, slots=True)
class Question:
    """Ask the audio model how complete the turn sounds, and answer with the same ticket."""

    ticket: int
    onset_ms: float


class TurnTracker:
    """Turns what is heard, read and played into events. Every method returns the events that arose, in order.

    `clock`: seconds of real time, for what the caller's audio cannot count, since it may stop between turns. Without
    it the audio counts all time, as in a replay.
    """

    def __init__(self, rules: TurnRules, capabilities: Capabilities, clock: Callable[[], float] | None = None) -> None:
        self._rules = self._first_rules = rules
        self._fixed_delay_ms = capabilities.fixed_delay_ms
        self._uses_audio_model = capabilities.uses_audio_model
        self._gate = SpeechGate(capabilities.gate, rules.speech_threshold)
        self._turn: _Turn | None = None
        self._passed: _Turn | None = None
        self._agent_speaks = self._hears_echo = False
        self._agent_silent_s: float | None = None
        self._expected = Expected.UNSPECIFIED
        self._history = PauseHistory() if rules.adapts else None
        self._ended: _Ended | None = None
        self._examined_ms = 0.0
        self._received_ms = 0.0
        self._clock = clock or (lambda: self._received_ms / 1000)
        self._missing_ms = 0.0
        self._tickets = 0
        self._question: Question | None = None
        self._out: list[TurnEvent] = []

    @property
    def is_open(self) -> bool:
        """Whether a turn is open: silence must not be mistaken for nothing to do."""
        return self._turn is not None

    def take_question(self) -> Question | None:
        """Return what the audio model is to be asked now, once."""
        question, self._question = self._question, None
        return question

    def hear(self, frames: Sequence[Frame], received_ms: float) -> list[TurnEvent]:
        """Take the frames of the next audio; `received_ms` counts what arrived, the unexamined tail included."""
        self._received_ms = received_ms
        for start_ms, end_ms, probability, levels_dbfs in frames:
            self._examined_ms = end_ms
            change = self._gate.step(start_ms, end_ms, probability, levels_dbfs)
            if change is Change.STARTED:
                self._on_started(probability)
            elif change is Change.STOPPED:
                self._on_stopped()
            if self._turn is not None:
                if self._gate.end_ms > start_ms:
                    self._missing_ms = 0.0
                self._consider(end_ms)
        if self._turn is not None and not self._gate.in_speech:
            self._consider(received_ms)
        return self._flush()

    def miss(self, missing_ms: float) -> list[TurnEvent]:
        """Take `missing_ms` of real time in which audio was due and none arrived: it counts as silence."""
        if self._turn is None:
            return []
        self._missing_ms += missing_ms
        if self._gate.stop_after(self._silence_ms(self._received_ms)) is Change.STOPPED:
            self._on_stopped()
        self._consider(self._received_ms)
        return self._flush()

    def read(self, hypothesis: Hypothesis) -> list[TurnEvent]:
        """Take the newest text of the turn. Without an open turn only words that follow a backchannel matter."""
        if hypothesis.language:
            self._rules = self._first_rules.in_language(hypothesis.language)
        turn = self._turn or self._late_overlap(hypothesis)
        if turn is None:
            return []
        self._note_change(turn, hypothesis)
        turn.hypothesis, turn.plan = hypothesis, None
        if self._turn is None:
            self._turn = turn
            self._interrupt(turn, InterruptionReason.WORDS)
        self._consider(self._received_ms)
        return self._flush()

    def agent(
        self, speaking: bool, expected: Expected = Expected.UNSPECIFIED, *, echo: bool = False
    ) -> list[TurnEvent]:
        """Take whether the agent's voice is being played, what its last words ask for, whether its echo is heard."""
        self._hears_echo = echo
        if expected is not self._expected:
            self._expected = expected
            if self._turn is not None:
                self._turn.plan = None
        if speaking != self._agent_speaks:
            self._agent_speaks = speaking
            self._agent_silent_s = None if speaking else self._clock()
            self._passed = None
            if self._turn is not None:
                self._change_floor(self._turn)
            if not speaking:
                self._settle()
        self._consider(self._received_ms)
        return self._flush()

    def _change_floor(self, turn: _Turn) -> None:
        if self._agent_speaks and turn.floor is Floor.CALLER:
            turn.floor = Floor.DISPUTED
        elif not self._agent_speaks and turn.floor is Floor.DISPUTED:
            turn.floor = Floor.CALLER
            self._went_on(turn)
            self._ask()

    def answer(self, ticket: int, probability: float | None) -> list[TurnEvent]:
        """Take the audio model's answer (None: it had none). An answer to a pause that is over changes nothing."""
        turn = self._turn
        if turn is None or turn.ticket != ticket or not turn.audio_pending:
            return []
        turn.audio, turn.audio_pending, turn.plan = probability, False, None
        self._consider(self._received_ms)
        return self._flush()

    def finish(self) -> list[TurnEvent]:
        """Take the end of the input: an open turn is over."""
        if self._gate.stop_after(float("inf")) is Change.STOPPED:
            self._on_stopped()
        turn = self._turn
        if turn is not None and turn.floor is Floor.DISPUTED:
            self._pass(turn)
        elif turn is not None:
            self._end(turn, self._planned(turn), self._silence_ms(self._received_ms), EndReason.DELAY)
        return self._flush()

    def _flush(self) -> list[TurnEvent]:
        events, self._out = self._out, []
        return events

    def _silence_ms(self, until_ms: float) -> float:
        return until_ms - self._gate.end_ms + self._missing_ms

    def _on_started(self, probability: float) -> None:
        onset_ms = self._gate.onset_ms
        self._missing_ms = 0.0
        self._passed = None
        self._out.append(SpeechStarted(self._examined_ms, onset_ms, probability))
        turn = self._turn
        if turn is None:
            self._open(onset_ms)
            return
        if turn.floor is not Floor.DISPUTED:
            self._paused(onset_ms - turn.end_ms, is_whole=self._planned(turn).is_whole)
        if turn.eager:
            self._out.append(TurnResumed(self._examined_ms))
        turn.eager = turn.audio_pending = False
        turn.audio = turn.plan = turn.hypothesis = None  # the text so far says nothing of what is being added
        turn.ticket = 0

    def _open(self, onset_ms: float) -> None:
        """Open a turn, and settle whether the one before it was over."""
        turn = self._turn = _Turn(onset_ms, Floor.DISPUTED if self._agent_speaks else Floor.CALLER)
        turn.is_prompt = self._is_prompt(onset_ms)
        ended = self._ended
        if ended is None or onset_ms - ended.at_ms > CUT_OFF_MS:
            self._settle()
            return
        turn.follows, self._ended = ended, None
        if turn.floor is Floor.CALLER:
            self._went_on(turn)

    def _is_prompt(self, onset_ms: float) -> bool:
        if self._agent_silent_s is None:
            return False
        silent_ms = (self._clock() - self._agent_silent_s) * 1000
        return 0 <= round(silent_ms - (self._received_ms - onset_ms)) <= PROMPT_MS

    def _settle(self) -> None:
        """Note that the turn before was over: its answer was heard, or nothing followed it for a while.

        Time alone does not tell: the caller's audio, which counts it, may have stopped while the agent spoke.
        """
        ended, self._ended = self._ended, None
        if ended is not None and self._history is not None:
            self._history.ended(is_whole=ended.is_whole, prompt=ended.is_prompt)

    def _went_on(self, turn: _Turn) -> None:
        """Note that the caller goes on to speak: the turn that this is the rest of was cut off."""
        if turn.follows is None:
            return
        self._paused(turn.onset_ms - turn.follows.speech_end_ms, is_whole=turn.follows.is_whole, cut_off=True)
        turn.follows = self._ended = None

    def _paused(self, pause_ms: float, *, is_whole: bool, cut_off: bool = False) -> None:
        if self._history is not None:
            self._history.paused(pause_ms - self._rules.min_delay_ms, is_whole=is_whole, cut_off=cut_off)

    def _note_change(self, turn: _Turn, hypothesis: Hypothesis) -> None:
        """Note when the text changes in a pause. Once is the recogniser catching up; again, and it is not done."""
        if self._gate.in_speech:
            return
        before = turn.hypothesis.text if turn.hypothesis is not None else ""
        if hypothesis.is_final:
            turn.changed_ms = None
        elif tokens_of(before) != tokens_of(hypothesis.text):
            turn.changes += 1
            turn.changed_ms = self._silence_ms(self._received_ms) if turn.changes > 1 else None

    def _on_stopped(self) -> None:
        gate, turn = self._gate, self._turn
        speech_ms = gate.end_ms - gate.onset_ms
        self._out.append(SpeechStopped(self._examined_ms, gate.end_ms, speech_ms))
        if turn is not None:
            turn.speech_ms += speech_ms
            turn.end_ms = gate.end_ms
            turn.changes, turn.changed_ms = 0, None
            self._ask()

    def _ask(self) -> None:
        turn = self._turn
        if turn is None or not self._uses_audio_model or self._gate.in_speech or turn.ticket:
            return
        if turn.floor is Floor.DISPUTED:
            return
        self._tickets += 1
        turn.ticket, turn.audio_pending, turn.plan = self._tickets, True, None
        self._question = Question(turn.ticket, turn.onset_ms)

    def _consider(self, until_ms: float) -> None:
        """Decide on the open turn, with the caller's audio known until `until_ms`."""
        turn = self._turn
        if turn is None:
            return
        silence_ms = self._silence_ms(until_ms)
        if turn.floor is Floor.DISPUTED:
            self._dispute(turn, silence_ms)
        if self._turn is None or turn.floor is Floor.DISPUTED or self._gate.in_speech:
            return
        plan = self._planned(turn)
        if not turn.eager and silence_ms >= plan.eager_ms:
            turn.eager = True
            self._out.append(EagerEndOfTurn(self._examined_ms, plan.probability, self._gate.end_ms))
        if silence_ms >= plan.delay_ms and not self._gate.suspects_onset:
            self._end(turn, plan, silence_ms, plan.reason)

    def _planned(self, turn: _Turn) -> Plan:
        if turn.plan is None:
            if self._fixed_delay_ms is not None:
                turn.plan = Plan(1.0, 0.0, self._fixed_delay_ms, EndReason.COMPLETE)
            else:
                evidence = Evidence(turn.audio, turn.audio_pending, turn.hypothesis, turn.changed_ms, self._expected)
                habit = AVERAGE if self._history is None else self._history.habit
                turn.plan = endpointing.plan(evidence, self._rules, habit)
        return turn.plan

    def _dispute(self, turn: _Turn, silence_ms: float) -> None:
        gate = self._gate
        spoken_ms = turn.speech_ms + (gate.end_ms - gate.onset_ms if gate.in_speech else 0.0)
        if self._hears_echo:
            turn.echo_ms = spoken_ms
        over = SpeechOver(
            turn.hypothesis,
            spoken_ms - turn.echo_ms,
            None if gate.in_speech or gate.suspects_onset else silence_ms,
        )
        match dispute.judge(over, self._rules):
            case Verdict.WORDS:
                self._interrupt(turn, InterruptionReason.WORDS)
            case Verdict.DURATION:
                self._interrupt(turn, InterruptionReason.DURATION)
            case Verdict.BACKCHANNEL:
                self._pass(turn)

    def _interrupt(self, turn: _Turn, reason: InterruptionReason) -> None:
        turn.floor = Floor.TAKEN
        self._passed = None
        self._went_on(turn)
        self._out.append(Interruption(self._examined_ms, reason, turn.onset_ms))
        self._ask()

    def _pass(self, turn: _Turn) -> None:
        self._turn, self._passed = None, turn
        turn.eager = False
        self._ended = turn.follows
        self._missing_ms = 0.0
        self._out.append(Backchannel(self._examined_ms, turn.onset_ms, turn.speech_ms))

    def _late_overlap(self, hypothesis: Hypothesis) -> _Turn | None:
        passed = self._passed
        if passed is None or not self._agent_speaks:
            return None
        if not dispute.wants_floor(hypothesis, self._rules.language, passed.speech_ms - passed.echo_ms):
            return None
        return passed if self._received_ms - passed.end_ms <= dispute.LATE_WORDS_MS else None

    def _end(self, turn: _Turn, plan: Plan, silence_ms: float, reason: EndReason) -> None:
        self._turn = None
        self._missing_ms = 0.0
        self._question = None
        self._ended = _Ended(self._examined_ms, self._gate.end_ms, plan.is_whole, turn.is_prompt)
        self._out.append(
            EndOfTurn(self._examined_ms, plan.probability, silence_ms, reason, self._gate.end_ms, turn.speech_ms)
        )
