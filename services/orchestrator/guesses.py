"""The one answer that a call may have begun before its turn was over: used, or given up without a trace."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.common.metrics import SPECULATION, SPECULATION_HIDDEN, SPECULATION_TOKENS_WASTED
from services.orchestrator.history import History
from services.orchestrator.latency import Marks
from services.orchestrator.reply import Reply
from services.orchestrator.speculation import SpeculationBudget, Words
from services.orchestrator.stages.stream import StageError
from services.orchestrator.tracing import CallTrace, Open

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Guess:
    reply: Reply
    words: Words
    making: asyncio.Task[None]
    span: Open


class Guesses:
    """One call's guess, of which nothing is heard, told, kept or done before it is used.

    A guess that fails, whatever fails in it, is as if it had never been: the answer is made anew.
    """

    def __init__(self, hush: Callable[[Reply], None], trace: CallTrace, budget: SpeculationBudget) -> None:
        """`hush`: have nothing more of a reply synthesised."""
        self._hush = hush
        self._trace = trace
        self._budget = budget
        self._open: _Guess | None = None

    @property
    def reply(self) -> Reply | None:
        """The answer that is being made on a guess."""
        return None if self._open is None else self._open.reply

    @property
    def has_room(self) -> bool:
        """Whether a guess may be begun."""
        return self._budget.has_room(time.monotonic())

    def begin(self, reply: Reply, words: Words, making: asyncio.Task[None]) -> None:
        """Keep `reply`, which `making` makes, for a turn of these words. An older guess is given up."""
        self.drop("changed")
        self._budget.opened()
        self._open = _Guess(reply, words, making, self._trace.speculation(reply.epoch, "reply"))

    def take(self, epoch: int, words: Words, history: History, marks: Marks) -> tuple[Reply, asyncio.Task[None]] | None:
        """Return the guess for a turn of these words, and what makes it, if there is one and it holds.

        Then `history` goes on as the guess assumed, the reply has the turn's `marks`, and its gate is still closed. One
        that still waits for its first token at a busy model is given up: asked anew, the answer comes before guesses.
        """
        guess = self._open
        if guess is None:
            return None
        if guess.reply.epoch != epoch:
            self.drop("unanswered")
        elif guess.words != words:
            self.drop("changed")
        elif self._is_overdue(guess.reply.marks):
            self.drop("overdue")
        elif not history.adopt(guess.reply.history):
            self.drop("context")
        else:
            self._use(guess, history, marks)
            return guess.reply, guess.making
        return None

    def _is_overdue(self, marks: Marks) -> bool:
        asked_s = marks.at_s.get("asked")
        waits = asked_s is not None and "token" not in marks.at_s
        return waits and self._budget.is_overdue((time.monotonic() - (asked_s or 0.0)) * 1000)

    def _use(self, guess: _Guess, history: History, marks: Marks) -> None:
        self._close(guess, "used")
        reply = guess.reply
        reply.history = history
        reply.hidden_ms = _hidden_ms(reply.marks, marks)
        reply.marks.join(marks)
        SPECULATION_HIDDEN.record(reply.hidden_ms)

    def drop(self, reason: str) -> None:
        """Give the guess up, down to the engines, if there is one. `reason`: one of `spans.DISCARDS`."""
        guess = self._open
        if guess is None:
            return
        self._close(guess, "discarded", reason)
        guess.making.cancel()
        self._hush(guess.reply)
        SPECULATION_TOKENS_WASTED.add(guess.reply.tokens)

    def failed(self, reply: Reply, error: StageError) -> bool:
        """Take the failure of `reply`; return whether that was the guess, of which then nothing is left."""
        if self._open is None or self._open.reply is not reply:
            return False
        if error.is_overload:
            self._budget.refused(time.monotonic())
        log.info("a guessed answer failed", extra={"stage": error.stage, "error": error.detail})
        self.drop("failed")
        return True

    def _close(self, guess: _Guess, outcome: str, reason: str = "") -> None:
        self._open = None
        self._budget.closed()
        guess.span.end(outcome, reason=reason)
        SPECULATION.add(1, kind="reply", outcome="hit" if outcome == "used" else outcome)


def _hidden_ms(guessed: Marks, turn: Marks) -> float:
    """Return how much of the way to the first audio lay before the turn was committed."""
    asked_s, committed_s = guessed.at_s.get("asked"), turn.at_s.get("committed")
    if asked_s is None or committed_s is None:
        return 0.0
    return max(0.0, min(committed_s, guessed.at_s.get("audio", committed_s)) - asked_s) * 1000
