"""Plays the script to the agent and reacts to it, as a caller would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from parley import events
from parley.client import Conversation
from parley.demo.script import AGENT, Step
from parley.errors import CallError
from parley.listener import Listener, WaitedTooLong
from parley.microphone import Microphone

PAUSE_MS = 450.0
"""How long a polite caller waits after the agent has finished."""
TURN_DEADLINE_S = 25.0
END_DEADLINE_S = 15.0


@dataclass(slots=True)
class Played:
    """What came of the script."""

    said_ms: list[float] = field(default_factory=list)
    """By step: when its last sample was sent."""
    heard: list[events.Event] = field(default_factory=list)
    turns: list[events.TurnSummary] = field(default_factory=list)
    stale_frames: int = 0
    failure: str = ""
    """Why the script could not be played to its end; empty where it was."""


async def play(
    call: Conversation,
    steps: Sequence[Step],
    utterances: Sequence[bytes],
    show: Callable[[events.Event], None],
    note: Callable[[float, str], None],
) -> Played:
    """Play the script into a call and return what came of it. Raises CallError where no call comes about."""
    played = Played()
    async with call, Listener(call, show) as listener, Microphone(call) as microphone:
        caller = _Caller(call, listener, microphone, note)
        try:
            await caller.wait_for_greeting()
            for step, following, pcm in zip_longest(steps, steps[1:], utterances):
                played.said_ms.append(await caller.say(step, pcm))
                if following is None:
                    await caller.wait_for_end()
                elif following.barges_in_after_ms is not None:
                    await caller.wait_to_barge_in(following.barges_in_after_ms)
                else:
                    await caller.wait_for_answer()
        except (WaitedTooLong, CallError) as error:
            played.failure = str(error)
    played.heard = listener.heard
    played.turns = list(call.turns)
    played.stale_frames = call.playback.stale_frames
    if listener.failure is not None:
        played.failure = str(listener.failure)
    return played


class _Caller:
    def __init__(
        self, call: Conversation, listener: Listener, microphone: Microphone, note: Callable[[float, str], None]
    ) -> None:
        self._call = call
        self._listener = listener
        self._microphone = microphone
        self._note = note
        self._answered = 0
        self._said = ""

    async def wait_for_greeting(self) -> None:
        await self._wait(lambda: bool(self._call.turns) and self._is_quiet(), f"{AGENT} greets")

    async def say(self, step: Step, pcm: bytes) -> float:
        self._answered = self._count_answers()
        self._said = step.text
        barging = "" if step.barges_in_after_ms is None else " (speaking over the agent)"
        self._note(self._call.elapsed_ms, f"says:   {step.text}{barging}")
        async with asyncio.timeout(TURN_DEADLINE_S):
            return await self._microphone.say(pcm)

    async def wait_for_answer(self) -> None:
        await self._wait(lambda: self._count_answers() > self._answered and self._is_quiet(), "the answer is finished")

    async def wait_to_barge_in(self, heard_ms: int) -> None:
        epoch_before = max((turn.turn_epoch for turn in self._call.turns), default=0)

        def heard_enough() -> bool:
            position = self._call.playback.position
            return position.turn_epoch > epoch_before and position.played_ms >= heard_ms

        await self._wait(heard_enough, f"{heard_ms} ms of the answer are heard")

    async def wait_for_end(self) -> None:
        what = "the agent says goodbye and ends the call"
        await self._listener.until(lambda: self._listener.has_ended, TURN_DEADLINE_S + END_DEADLINE_S, what)

    def _count_answers(self) -> int:
        """Return how many answers were given in full."""
        return sum(1 for turn in self._call.turns if turn.user_text and not turn.interrupted)

    def _is_quiet(self) -> bool:
        return self._listener.agent_is_done(PAUSE_MS)

    async def _wait(self, condition: Callable[[], bool], what: str) -> None:
        after = f" after {self._said!r}" if self._said else ""
        if not await self._listener.until(condition, TURN_DEADLINE_S, f"{what}{after}"):
            raise WaitedTooLong(f"the call ended before {what}{after}")
