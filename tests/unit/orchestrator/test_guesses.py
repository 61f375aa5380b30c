"""The one guess of a call: what becomes of it when its turn is over."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.orchestrator.gate import Gate
from services.orchestrator.guesses import Guesses
from services.orchestrator.history import History, Message
from services.orchestrator.latency import Marks
from services.orchestrator.reply import Reply, ReplyLimits
from services.orchestrator.speculation import SpeculationBudget
from services.orchestrator.tracing import CallTrace

pytestmark = pytest.mark.unit

WORDS = ("hello",)
FAST_MS, LATE_S = 30.0, 1.0


async def never() -> None:
    await asyncio.Event().wait()


def guess(history: History, waited_s: float, *, has_token: bool) -> Reply:
    """Return an answer to a guess whose model was asked so long ago."""
    reply = Reply(2, "hello", history.fork(), ReplyLimits(5000, 3000, 3000, 5), gate=Gate(is_open=False))
    reply.user_message = reply.history.add(Message("user", "hello"))
    reply.marks.mark("asked", time.monotonic() - waited_s)
    if has_token:
        reply.marks.mark("token")
    return reply


@pytest.mark.parametrize(
    ("waited_s", "has_token", "is_taken"),
    [(LATE_S, False, False), (LATE_S, True, True), (0.0, False, True)],
    ids=["no token, late", "a token, late", "no token yet, not late"],
)
async def test_a_guess_that_waits_at_a_busy_model_is_given_up_for_a_live_question(
    waited_s: float, has_token: bool, is_taken: bool
) -> None:
    hushed: list[Reply] = []
    budget = SpeculationBudget(1)
    budget.generated(0.0, FAST_MS)
    guesses = Guesses(hushed.append, CallTrace("session", "desk"), budget)
    history = History()
    reply = guess(history, waited_s, has_token=has_token)
    making = asyncio.create_task(never())
    guesses.begin(reply, WORDS, making)
    taken = guesses.take(2, WORDS, history, Marks())
    assert (taken is not None) is is_taken
    assert hushed == ([] if is_taken else [reply])
    assert [message.content for message in history.messages] == (["hello"] if is_taken else [])
    assert budget.has_room(time.monotonic())
    making.cancel()
    await asyncio.wait({making})


def test_a_token_is_late_by_the_measure_of_the_fastest() -> None:
    budget = SpeculationBudget(1)
    assert not budget.is_overdue(60_000.0)
    budget.generated(0.0, 200.0)
    assert not budget.is_overdue(600.0)
    assert budget.is_overdue(601.0)
    budget.generated(0.0, FAST_MS)
    assert not budget.is_overdue(130.0)
    assert budget.is_overdue(131.0)
