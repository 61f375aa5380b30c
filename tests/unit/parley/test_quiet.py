from __future__ import annotations

import pytest

from parley import events
from parley.quiet import UNANSWERED_WAIT_MS, QuietWatch

pytestmark = pytest.mark.unit


def state(at_ms: float, now: events.State) -> events.StateChanged:
    return events.StateChanged(at_ms=at_ms, state=now, turn_epoch=1)


def said(at_ms: float, text: str = "hello") -> events.Transcript:
    return events.Transcript(
        at_ms=at_ms, speaker=events.Speaker.USER, text=text, is_final=False, confidence=0, turn_epoch=1
    )


def summary(at_ms: float, user_text: str, interrupted: bool = False) -> events.TurnSummary:
    return events.TurnSummary(
        at_ms=at_ms,
        turn_epoch=1,
        user_text=user_text,
        agent_text="yes",
        heard_text="yes",
        interrupted=interrupted,
        response_ms=0,
        hops=(),
        tool_calls=0,
        outcome="",
        voice_to_voice_ms=None,
    )


def is_over(watch: QuietWatch, now_ms: float, is_playing: bool = False) -> bool:
    return watch.is_over(now_ms, is_playing=is_playing, quiet_ms=500)


@pytest.mark.parametrize("busy", [events.State.THINKING, events.State.SPEAKING, events.State.INTERRUPTED])
def test_an_agent_at_work_has_not_finished_however_quiet_it_is(busy: events.State) -> None:
    watch = QuietWatch()
    watch.see(state(0, busy))
    assert not is_over(watch, 60_000)
    watch.see(state(60_000, events.State.LISTENING))
    assert not is_over(watch, 60_400)
    assert is_over(watch, 60_500)


def test_what_still_plays_is_not_over() -> None:
    watch = QuietWatch()
    watch.see(state(0, events.State.LISTENING))
    assert not is_over(watch, 5000, is_playing=True)
    assert is_over(watch, 5000)


def test_words_without_an_answer_keep_it_from_being_over_for_a_while() -> None:
    watch = QuietWatch()
    watch.see(state(0, events.State.LISTENING))
    watch.see(said(1000))
    assert not is_over(watch, 5000)
    assert is_over(watch, 1000 + UNANSWERED_WAIT_MS)
    watch.see(summary(5000, "hello"))
    assert is_over(watch, 5500)


def test_an_interrupted_answer_leaves_the_interruption_unanswered() -> None:
    watch = QuietWatch()
    watch.see(said(1000))
    watch.see(summary(1200, "before", interrupted=True))
    assert not is_over(watch, 3000)
    watch.see(summary(3000, "hello"))
    assert is_over(watch, 3500)
    assert watch.turns == 2
