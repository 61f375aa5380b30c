"""Calls of the endpointing bench through the real engines and the real tracker, in audio time: no clock is waited on.

What Silero hears of a turn does not depend on what is decided, so it is computed once; Smart Turn is asked whenever the
tracker asks, and answers JUDGED_MS later. The recogniser is simulated: the words that were spoken so far.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.endpointing_set import LEAD_MS, Call, Turn
from services.common.expected import Expected
from services.turn.endpointing import TurnRules
from services.turn.engine import Capabilities, Frame
from services.turn.engines.silero import FRAME_MS, SileroSmartTurn
from services.turn.events import EagerEndOfTurn, EndOfTurn, Hypothesis, Interruption, SpeechStarted, TurnEvent
from services.turn.tracker import TurnTracker

STEP_MS = 20
"""Audio that arrives at a time."""
JUDGED_MS = 40
"""How long Smart Turn takes (33 ms on a quiet machine: services/turn/README.md)."""
PARTIAL_EVERY_MS = 100
PARTIAL_LAG_MS = 200
"""How far a partial is behind what was spoken."""
FINAL_MS = 100
"""How long a transcript takes once it is asked for, at an eager end of turn."""
ANSWER_MS = 300
"""How long after the end of a turn the agent is heard."""
AGENT_MS = 2_000
_FRAME_BYTES = FRAME_MS * 32
_ALIGNED_MS = 160
"""A whole number of steps and of frames."""
_JUDGED_FRAMES = 8_000 // FRAME_MS
_JUDGED_LEAD_MS = 500
"""What Smart Turn is given: see services/turn/engines/silero.py."""


class Policy(NamedTuple):
    """How turns are ended."""

    name: str
    rules: TurnRules = TurnRules()
    knows_question: bool = True
    """Whether the detector is told what the agent asked for."""
    timer_ms: int | None = None
    """A fixed silence instead of all else."""
    partial_lag_ms: int = PARTIAL_LAG_MS
    misheard_share: float = 0.0
    """Of the words, how many the recogniser takes for another."""


class Ended(NamedTuple):
    """How one turn ended."""

    habit: str
    number: int
    """Of the turn in its call, from 0."""
    is_cut_off: bool
    """The turn was ended before the caller was done."""
    delay_ms: float | None
    """From the end of speech to the end of the turn; None: what was left of a cut-off turn passed for a backchannel."""


@dataclass(slots=True)
class HeardTurn:
    """A turn, what Silero heard of it, and what Smart Turn said when it was asked."""

    turn: Turn
    frames: Sequence[Frame]
    judged: dict[tuple[int, int], float | None] = field(default_factory=dict)

    async def judge(self, engine: SileroSmartTurn, onset_ms: float, heard_ms: float) -> float | None:
        """Return P(complete) of the turn since `onset_ms`, as SileroStream.judge would ask at `heard_ms`."""
        heard = int(heard_ms) // FRAME_MS
        first = max(int(max(0.0, onset_ms - _JUDGED_LEAD_MS)) // FRAME_MS, heard - _JUDGED_FRAMES, 0)
        key = first, heard
        if key not in self.judged:
            pcm = self.turn.pcm
            frames = [pcm[at * _FRAME_BYTES : (at + 1) * _FRAME_BYTES] for at in range(first, heard)]
            answer = await engine.judge(frames)
            self.judged[key] = None if answer is None else answer.probability
        return self.judged[key]


async def hear(engine: SileroSmartTurn, turn: Turn) -> HeardTurn:
    """Return the turn with what Silero hears of it."""
    stream = engine.open(16000)
    frames: list[Frame] = []
    for at in range(0, len(turn.pcm), 32_000):
        frames += (await stream.hear(turn.pcm[at : at + 32_000])).frames
    stream.close()
    return HeardTurn(turn, frames)


class Replay:
    """One call under one policy."""

    def __init__(self, engine: SileroSmartTurn, policy: Policy, capabilities: Capabilities, seed: int) -> None:
        self._engine = engine
        self._policy = policy
        self._tracker = TurnTracker(policy.rules, capabilities)
        self._chance = random.Random(seed)
        self._base_ms = 0.0

    async def run(self, call: Call, heard: Sequence[HeardTurn]) -> list[Ended]:
        """Return how its turns ended."""
        ended = []
        for number, turn in enumerate(heard):
            self._tracker.agent(True)
            played = _PlayedTurn(self._engine, self._policy, self._tracker, turn, self._base_ms, self._chance)
            await played.run()
            ended.append(Ended(call.habit, number, played.is_cut_off, played.delay_ms))
            self._base_ms += played.at_ms + AGENT_MS
            self._base_ms += -self._base_ms % _ALIGNED_MS
        return ended


class _PlayedTurn:
    def __init__(
        self,
        engine: SileroSmartTurn,
        policy: Policy,
        tracker: TurnTracker,
        heard: HeardTurn,
        base_ms: float,
        chance: random.Random,
    ) -> None:
        self._engine = engine
        self._policy = policy
        self._tracker = tracker
        self._heard = heard
        self._base_ms = base_ms
        self._words = [
            (word.end_ms, "the" if chance.random() < policy.misheard_share else word.text) for word in heard.turn.words
        ]
        self._told = Hypothesis("")
        self._known = 0
        self._first_word = 0
        self._final_at_ms: float | None = None
        self._answer: tuple[float, int, float | None] | None = None
        self._agent_at_ms: float | None = None
        self._agent_speaks = True
        self._hushes_at_ms: float | None = LEAD_MS - heard.turn.gap_ms
        self.at_ms = 0.0
        self.is_cut_off = False
        self.delay_ms: float | None = None

    async def run(self) -> None:
        """Play the turn until it is over for good, or the audio is."""
        turn, frames, tracker = self._heard.turn, self._heard.frames, self._tracker
        next_frame = 0
        while self.delay_ms is None and self.at_ms + STEP_MS <= len(turn.pcm) / 32:
            self.at_ms += STEP_MS
            self._hush()
            due = next_frame
            while due < len(frames) and frames[due].end_ms <= self.at_ms:
                due += 1
            arrived = [_moved(frame, self._base_ms) for frame in frames[next_frame:due]]
            next_frame = due
            self._take(tracker.hear(arrived, self._base_ms + self.at_ms))
            await self._judge()
            self._read()
            if self._agent_at_ms is not None and self.at_ms >= self._agent_at_ms:
                self._agent_at_ms, self._agent_speaks = None, True
                self._take(tracker.agent(True))

    def _hush(self) -> None:
        """Let the agent, who has asked for what this turn answers, fall silent in time."""
        if self._hushes_at_ms is not None and self.at_ms >= self._hushes_at_ms:
            self._hushes_at_ms = None
            self._agent_speaks = False
            expected = self._heard.turn.expected if self._policy.knows_question else Expected.UNSPECIFIED
            self._take(self._tracker.agent(False, expected))

    async def _judge(self) -> None:
        question = self._tracker.take_question()
        if question is not None:
            examined_ms = self.at_ms // FRAME_MS * FRAME_MS
            probability = await self._heard.judge(self._engine, question.onset_ms - self._base_ms, examined_ms)
            self._answer = self.at_ms + JUDGED_MS, question.ticket, probability
        if self._answer is not None and self.at_ms >= self._answer[0]:
            _, ticket, probability = self._answer
            self._answer = None
            self._take(self._tracker.answer(ticket, probability))

    def _read(self) -> None:
        """Tell the tracker what is recognised by now, if that is new."""
        is_final = self._final_at_ms is not None and self.at_ms >= self._final_at_ms
        if not is_final and self.at_ms % PARTIAL_EVERY_MS:
            return
        until_ms = self.at_ms - (FINAL_MS if is_final else self._policy.partial_lag_ms)
        self._known = max(self._known, sum(end_ms <= until_ms for end_ms, _ in self._words))
        if is_final:
            self._final_at_ms = None
        text = " ".join(word for _, word in self._words[self._first_word : self._known])
        hypothesis = Hypothesis(text, is_final)
        if text and hypothesis != self._told:
            self._told = hypothesis
            self._take(self._tracker.read(hypothesis))

    def _take(self, events: Sequence[TurnEvent]) -> None:
        for event in events:
            match event:
                case SpeechStarted():
                    self._final_at_ms = None
                    self._agent_at_ms = None
                    if self._agent_speaks:
                        self._first_word = self._known  # words over the agent are a turn of their own
                case EagerEndOfTurn():
                    self._final_at_ms = self.at_ms + FINAL_MS
                case Interruption():
                    self._agent_speaks = False
                    self._take(self._tracker.agent(False))
                case EndOfTurn():
                    self._over()

    def _over(self) -> None:
        if self.at_ms < self._heard.turn.end_ms:
            self.is_cut_off = True
            self._agent_at_ms = self.at_ms + ANSWER_MS
        else:
            self.delay_ms = self.at_ms - self._heard.turn.end_ms


def _moved(frame: Frame, by_ms: float) -> Frame:
    return Frame(frame.start_ms + by_ms, frame.end_ms + by_ms, frame.speech, frame.levels_dbfs)
