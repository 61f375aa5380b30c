"""What is learned of a caller's pauses, and what becomes of the delay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.turn.adapting import AVERAGE, LONGEST_EXCESS_MS, RATE_LIMITS, SCALE_LIMITS, Habit, PauseHistory
from services.turn.endpointing import Evidence, TurnRules, plan
from services.turn.events import Expected, Hypothesis

pytestmark = pytest.mark.unit

MIN_MS = 200


def history(*, pauses: int = 0, of_ms: float = 500, turns: int = 0) -> PauseHistory:
    made = PauseHistory(MIN_MS)
    for _ in range(pauses):
        made.paused(of_ms)
    for _ in range(turns):
        made.ended()
    return made


def fitted(made: PauseHistory, excess_ms: float = 300) -> float:
    return made.habit.fit(excess_ms)


def test_without_a_history_a_caller_is_an_average_one() -> None:
    assert history().habit == AVERAGE
    assert fitted(history(), 140) == 140


def test_long_pauses_lengthen_the_delay_and_short_ones_less() -> None:
    assert fitted(history(pauses=3, of_ms=1200)) > fitted(history(pauses=3, of_ms=400)) > fitted(history())


def test_turns_without_a_pause_shorten_it() -> None:
    assert fitted(history(turns=5)) < fitted(history(turns=2)) < fitted(history())


def test_after_turns_without_a_pause_a_sure_end_needs_no_more_than_the_shortest_delay() -> None:
    assert history(turns=5).habit.fit(20) == 0.0


def test_a_cut_off_lengthens_it_more_than_a_pause_that_was_waited_for() -> None:
    waited, cut_off = history(), history()
    waited.paused(600)
    cut_off.paused(600, cut_off=True)
    assert fitted(cut_off) > fitted(waited)


def test_turns_that_were_begun_at_once_shorten_it_more() -> None:
    prompt = history()
    prompt.ended(prompt=True)
    assert fitted(prompt) < fitted(history(turns=1))


def test_a_pause_that_could_not_have_ended_the_turn_says_nothing() -> None:
    assert history(pauses=20, of_ms=MIN_MS - 1).habit == AVERAGE


def test_one_very_long_pause_counts_as_a_long_one() -> None:
    assert history(pauses=1, of_ms=60_000).habit == history(pauses=1, of_ms=MIN_MS + LONGEST_EXCESS_MS).habit


def test_what_was_is_forgotten() -> None:
    once_slow = history(pauses=6, of_ms=1400)
    slow = fitted(once_slow)
    for _ in range(40):
        once_slow.paused(300)
        once_slow.ended()
        once_slow.ended()
    assert fitted(once_slow) < fitted(history()) < slow


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("paused"), st.floats(0, 20_000), st.booleans()),
        st.tuples(st.just("ended"), st.just(0.0), st.booleans()),
    ),
    max_size=60,
)


def learned(min_delay_ms: float, steps: list[tuple[str, float, bool]]) -> Habit:
    made = PauseHistory(min_delay_ms)
    for kind, pause_ms, flag in steps:
        if kind == "paused":
            made.paused(pause_ms, cut_off=flag)
        else:
            made.ended(prompt=flag)
    return made.habit


@given(steps=STEPS)
def test_what_can_be_learned_is_bounded(steps: list[tuple[str, float, bool]]) -> None:
    habit = learned(MIN_MS, steps)
    assert SCALE_LIMITS[0] <= habit.scale <= SCALE_LIMITS[1]
    assert RATE_LIMITS[0] <= habit.rate <= RATE_LIMITS[1]


@given(
    steps=STEPS,
    audio=st.none() | st.floats(0, 1),
    text=st.sampled_from([None, "", "yes", "my name is", "monday at ten", "five five", "s m i t h"]),
    expected=st.sampled_from(Expected),
    pending=st.booleans(),
    changed_ms=st.none() | st.floats(0, 5000),
    shortest=st.integers(1, 3000),
    more=st.integers(0, 5000),
)
def test_whatever_was_learned_the_delay_lies_within_the_agents_limits(
    steps: list[tuple[str, float, bool]],
    audio: float | None,
    text: str | None,
    expected: Expected,
    pending: bool,
    changed_ms: float | None,
    shortest: int,
    more: int,
) -> None:
    rules = TurnRules(min_delay_ms=shortest, max_delay_ms=shortest + more)
    hypothesis = None if text is None else Hypothesis(text)
    evidence = Evidence(audio, pending, hypothesis, changed_ms, expected)
    found = plan(evidence, rules, learned(shortest, steps))
    assert shortest <= found.delay_ms <= shortest + more
    assert found.eager_ms >= 0
