"""The rules of speculation at work in one call: fed with what is heard and where the conversation stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice.asr.v1 import asr_pb2

from services.orchestrator.speaking import Speaking
from services.orchestrator.speculation import Drop, Guess, Moment, Speculation, Warm
from services.orchestrator.turn_state import Phase, TurnState


class Speculating:
    """One call's speculation. `look` after each step of the state machine; it asks to look again by itself."""

    def __init__(self, speaking: Speaking, language: str, state: Callable[[], TurnState]) -> None:
        """`language`: BCP 47 tag of what callers speak. `state`: where the conversation stands."""
        self._speaking = speaking
        self._state = state
        self._rules = Speculation(language)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def heard(self, epoch: int, text: str, hypothesis: asr_pb2.Hypothesis) -> None:
        """Take a hypothesis on the turn whose whole text it makes `text`; `look` follows."""
        said_before = text[: len(text) - len(hypothesis.text)]
        stable = said_before + hypothesis.stable_prefix
        self._rules.heard(epoch, text, stable, hypothesis.confidence, self._loop.time())

    def look(self) -> None:
        """Do what is due now."""
        self.close()
        moment = _moment(self._state(), self._loop.time(), self._speaking)
        for order in self._rules.orders(moment):
            match order:
                case Guess(text):
                    self._speaking.answers.guess(moment.utterance, text)
                case Drop(reason):
                    self._speaking.answers.drop_guess(reason)
                case Warm(text):
                    self._speaking.answers.expect_words(moment.utterance, text)
        again_s = self._rules.again_s(moment)
        if again_s is not None:
            self._timer = self._loop.call_at(again_s, self.look)

    def close(self) -> None:
        """Wait for nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _moment(state: TurnState, at_s: float, speaking: Speaking) -> Moment:
    is_callers = state.phase is Phase.LISTENING or (state.phase is Phase.THINKING and state.turn_over)
    return Moment(
        at_s=at_s,
        utterance=state.utterance,
        is_over=bool(state.finalize_id) or state.turn_over,
        is_silent=not state.user_speaking,
        goes_on=bool(state.kept_text),
        may_guess=is_callers and bool(state.utterance) and speaking.may_guess,
    )
