"""What is learned of a caller's pauses, and what becomes of the delay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.expected import Expected
from services.turn.adapting import AVERAGE, LONGEST_EXCESS_MS, ODDS_LIMITS, SCALE_LIMITS, Habit, PauseHistory
from services.turn.endpointing import Evidence, TurnRules, plan
from services.turn.events import Hypothesis

pytestmark = pytest.mark.unit

MIN_MS = 200


def history(*, pauses: int = 0, of_ms: float = 500, turns: int = 0, is_whole: bool = False) -> PauseHistory:
    made = PauseHistory()
    for _ in range(pauses):
        made.paused(of_ms - MIN_MS, is_whole=is_whole)
    for _ in range(turns):
        made.ended(is_whole=is_whole)
    return made


def fitted(made: PauseHistory, excess_ms: float = 300, *, is_whole: bool = False) -> float:
    return made.habit.fit(excess_ms, is_whole=is_whole)


@pytest.mark.parametrize("is_whole", [True, False])
def test_without_a_history_a_caller_is_an_average_one(is_whole: bool) -> None:
    assert history().habit == AVERAGE
    assert fitted(history(), 140, is_whole=is_whole) == 140


def test_long_pauses_lengthen_the_delay_and_short_ones_less() -> None:
    assert fitted(history(pauses=3, of_ms=1200)) > fitted(history(pauses=3, of_ms=400)) > fitted(history())


def test_turns_without_a_pause_shorten_it() -> None:
    assert fitted(history(turns=5)) < fitted(history(turns=2)) < fitted(history())


def test_after_turns_without_a_pause_a_sure_end_needs_no_more_than_the_shortest_delay() -> None:
    assert fitted(history(turns=5, is_whole=True), 20, is_whole=True) == 0.0


def test_pauses_in_unfinished_sentences_do_not_lengthen_the_wait_after_a_whole_answer_that_sounds_over() -> None:
    assert fitted(history(pauses=5, of_ms=1200), 0, is_whole=True) == 0.0


def test_going_on_after_a_whole_answer_lengthens_the_wait_after_the_next() -> None:
    assert fitted(history(pauses=1, of_ms=600, is_whole=True), 0, is_whole=True) > 100


def test_a_cut_off_lengthens_it_more_than_a_pause_that_was_waited_for() -> None:
    waited, cut_off = history(), history()
    waited.paused(400, is_whole=False)
    cut_off.paused(400, is_whole=False, cut_off=True)
    assert fitted(cut_off) > fitted(waited)


def test_turns_that_were_begun_at_once_shorten_it_more() -> None:
    prompt = history()
    prompt.ended(is_whole=False, prompt=True)
    assert fitted(prompt) < fitted(history(turns=1))


def test_a_pause_that_could_not_have_ended_the_turn_says_nothing() -> None:
    assert history(pauses=20, of_ms=MIN_MS - 1).habit == AVERAGE


def test_one_very_long_pause_counts_as_a_long_one() -> None:
    assert history(pauses=1, of_ms=60_000).habit == history(pauses=1, of_ms=MIN_MS + LONGEST_EXCESS_MS).habit


def test_no_delay_is_lengthened_beyond_the_longest_pause_that_counts() -> None:
    slow = history(pauses=20, of_ms=1600)
    assert fitted(slow, 1400) == LONGEST_EXCESS_MS
    assert fitted(slow, 2800) == 2800


def test_what_was_is_forgotten() -> None:
    once_slow = history(pauses=6, of_ms=1400)
    slow = fitted(once_slow)
    for _ in range(40):
        once_slow.paused(100, is_whole=False)
        once_slow.ended(is_whole=False)
        once_slow.ended(is_whole=False)
    assert fitted(once_slow) < fitted(history()) < slow


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("paused"), st.floats(-3000, 20_000), st.booleans(), st.booleans()),
        st.tuples(st.just("ended"), st.just(0.0), st.booleans(), st.booleans()),
    ),
    max_size=60,
)


def learned(steps: list[tuple[str, float, bool, bool]]) -> Habit:
    made = PauseHistory()
    for kind, excess_ms, is_whole, flag in steps:
        if kind == "paused":
            made.paused(excess_ms, is_whole=is_whole, cut_off=flag)
        else:
            made.ended(is_whole=is_whole, prompt=flag)
    return made.habit


@given(steps=STEPS)
def test_what_can_be_learned_is_bounded(steps: list[tuple[str, float, bool, bool]]) -> None:
    habit = learned(steps)
    assert SCALE_LIMITS[0] <= habit.scale <= SCALE_LIMITS[1]
    assert ODDS_LIMITS[0] <= habit.odds_whole <= ODDS_LIMITS[1]
    assert ODDS_LIMITS[0] <= habit.odds_other <= ODDS_LIMITS[1]


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
    steps: list[tuple[str, float, bool, bool]],
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
    found = plan(evidence, rules, learned(steps))
    assert shortest <= found.delay_ms <= shortest + more
    assert found.eager_ms >= 0
