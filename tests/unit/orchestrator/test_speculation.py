"""The rules of speculation: when an answer is begun before the turn is over, when it is given up, and for whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.speculation import (
    MAX_GUESSES,
    MAX_WARMINGS,
    MAX_WORDS,
    RECENT,
    REFUSED_S,
    Drop,
    Guess,
    Moment,
    Order,
    Speculation,
    SpeculationBudget,
    Warm,
    words_of,
)

pytestmark = pytest.mark.unit

TEXT = "what are your opening hours"


class Turn:
    """One utterance under the rules, told at moments of its own clock."""

    def __init__(self, utterance: int = 1, rules: Speculation | None = None) -> None:
        self.rules = rules or Speculation()
        self.utterance = utterance
        self.at_s = 100.0
        self.is_over = False
        self.goes_on = False
        self.is_silent = True
        self.may_guess = True

    def moment(self) -> Moment:
        return Moment(self.at_s, self.utterance, self.is_over, self.is_silent, self.goes_on, self.may_guess)

    def look(self) -> list[Order]:
        return self.rules.orders(self.moment())

    def hear(self, text: str, confidence: float = 0.0, stable: str = "") -> list[Order]:
        before = self.look()
        self.rules.heard(self.utterance, text, stable, confidence, self.at_s)
        return before + self.look()

    def after(self, duration_ms: float) -> list[Order]:
        self.at_s += duration_ms / 1000
        return self.look()

    def over(self, is_over: bool = True) -> list[Order]:
        self.is_over = is_over
        return self.look()


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("What are your opening hours?", "what are your opening hours"),
        ("Um, what, uh, are your opening hours", TEXT),
        ("don\u2019t do that", "dont do that"),
        ("twenty-one", "twenty one"),
        ("CAFÉ", "cafe\u0301"),
    ],
)
def test_the_same_words(text: str, other: str) -> None:
    assert words_of(text) == words_of(other)


@pytest.mark.parametrize("other", ["what are your opening hour", "what are your hours", "", f"{TEXT} today"])
def test_other_words(other: str) -> None:
    assert words_of(other) != words_of(TEXT)


def test_fillers_are_those_of_the_language() -> None:
    assert words_of("Ähm, ja", "de-DE") == ("ja",)
    assert words_of("euh oui", "fr") == ("oui",)
    assert words_of("ähm ja", "en") == ("ähm", "ja")
    assert words_of("um eins", "de") == ("um", "eins")  # "um" is a word there


def test_sure_words_that_stand_still_are_guessed_at() -> None:
    turn = Turn()
    assert turn.hear(TEXT, 0.9) == []
    assert turn.rules.again_s(turn.moment()) == pytest.approx(100.2)
    turn.at_s += 0.1
    assert turn.hear(f"{TEXT}.", 0.9) == []  # the same words: they still stand
    assert turn.rules.again_s(turn.moment()) == pytest.approx(100.2)
    assert turn.after(99) == []
    assert turn.after(1) == [Guess(f"{TEXT}.")]
    assert turn.rules.again_s(turn.moment()) is None
    assert turn.after(500) == []


@pytest.mark.parametrize("confidence", [0.0, 0.84])
def test_unsure_words_wait_for_the_turn_to_be_probably_over(confidence: float) -> None:
    turn = Turn()
    turn.hear(TEXT, confidence)
    assert turn.rules.again_s(turn.moment()) is None
    assert turn.after(5000) == []
    assert turn.over() == [Guess(TEXT)]


def test_while_there_is_sound_words_must_stand_still_for_longer() -> None:
    turn = Turn()
    turn.is_silent = False
    turn.hear(TEXT, 0.9)
    assert turn.after(400) == []
    assert turn.rules.again_s(turn.moment()) == pytest.approx(100.6)
    assert turn.after(200) == [Guess(TEXT)]


def test_words_that_grow_do_not_stand_still() -> None:
    turn = Turn()
    said = ""
    for word in TEXT.split():
        said = f"{said} {word}".strip()
        assert turn.hear(said, 1.0) == []
        assert turn.after(150) == []


def test_other_words_drop_the_guess_and_are_guessed_at_where_the_turn_is_over() -> None:
    turn = Turn()
    turn.hear(TEXT)
    turn.over()
    assert turn.hear(f"{TEXT}?") == []
    assert turn.hear("what are your opening ours") == [Drop("changed"), Guess("what are your opening ours")]
    assert turn.hear("") == [Drop("changed")]


def test_a_turn_that_goes_on_drops_it_and_the_same_words_may_be_guessed_at_again() -> None:
    turn = Turn()
    turn.hear(TEXT, 0.95)
    turn.over()
    assert turn.over(False) == [Drop("resumed")]
    assert turn.after(199) == []
    assert turn.over() == [Guess(TEXT)]


def test_an_early_guess_is_kept_when_the_turn_is_over() -> None:
    turn = Turn()
    turn.hear(TEXT, 0.95)
    assert turn.after(200) == [Guess(TEXT)]
    assert turn.over() == []


def test_the_last_guess_of_a_turn_is_kept_for_its_end() -> None:
    turn = Turn()
    guesses = 0
    for number in range(10):
        guesses += Guess(f"word{number}") in turn.hear(f"word{number}", 1.0) + turn.after(200)
    assert guesses == MAX_GUESSES - 1
    turn.hear("and the end", 1.0)
    assert turn.over() == [Guess("and the end")]
    assert turn.hear("or not", 1.0) == [Drop("changed")]


def test_a_turn_that_goes_on_in_another_utterance_has_no_more_guesses_than_one() -> None:
    turn = Turn()
    for number in range(1, MAX_GUESSES + 2):
        turn.utterance, turn.goes_on, turn.is_over = number, number > 1, False
        turn.hear(f"{TEXT} {number}")
        ordered = turn.over()
        assert (Guess(f"{TEXT} {number}") in ordered) == (number <= MAX_GUESSES)
    turn.utterance, turn.goes_on, turn.is_over = 99, False, False
    turn.look()
    turn.hear(TEXT)
    assert turn.over() == [Guess(TEXT)]


def test_an_utterance_that_ends_drops_what_nobody_took() -> None:
    turn = Turn()
    turn.hear(TEXT)
    turn.over()
    turn.utterance, turn.is_over = 0, False
    assert turn.look() == [Drop("unanswered")]
    assert turn.look() == []


def test_nothing_is_guessed_while_it_may_not_be() -> None:
    turn = Turn()
    turn.may_guess = False
    turn.hear(TEXT, 1.0)
    assert turn.after(500) == []
    assert turn.over() == []
    turn.may_guess = True
    assert turn.look() == [Guess(TEXT)]


def test_a_long_turn_is_not_guessed_at() -> None:
    turn = Turn()
    turn.hear("word " * (MAX_WORDS + 1))
    assert turn.over() == []
    turn.hear("word " * MAX_WORDS)
    assert len(turn.look()) <= 1


def test_stable_words_warm_the_cache_as_they_grow_and_only_a_few_times() -> None:
    turn = Turn()
    words = [f"word{number}" for number in range(50)]
    warmed = []
    for count in range(1, 51):
        said = " ".join(words[:count])
        warmed += [order for order in turn.hear(said, stable=said) if isinstance(order, Warm)]
    assert warmed == [Warm(" ".join(words[:count])) for count in (6, 12, 18)]
    assert len(warmed) == MAX_WARMINGS


def test_a_guess_makes_warming_needless() -> None:
    turn = Turn()
    turn.hear("one two three four five six")
    assert turn.over() == [Guess("one two three four five six")]
    assert turn.hear("one two three four five six", stable="one two three four five six") == []


happenings = st.one_of(
    st.tuples(st.just("hear"), st.sampled_from(("", "a b", "A, um, b!", "a b c")), st.sampled_from((0.0, 0.5, 0.9))),
    st.tuples(st.just("after"), st.integers(0, 400)),
    st.tuples(st.just("over"), st.booleans()),
    st.tuples(st.just("may"), st.booleans()),
    st.tuples(st.just("next"), st.booleans()),
)


@given(st.lists(happenings, max_size=40))
def test_there_is_one_guess_at_a_time_for_the_words_heard_last(happened: list[tuple[object, ...]]) -> None:
    turn = Turn()
    heard, open_words, guesses = "", None, 0
    for name, *details in happened:
        match name:
            case "hear":
                heard = str(details[0])
                orders = turn.hear(heard, float(str(details[1])))
            case "after":
                orders = turn.after(float(str(details[0])))
            case "over":
                orders = turn.over(bool(details[0]))
            case "may":
                turn.may_guess = bool(details[0])
                orders = turn.look()
            case _:
                turn.utterance, turn.is_over, turn.goes_on = turn.utterance + 1, False, bool(details[0])
                guesses = guesses if turn.goes_on else 0
                heard = ""
                orders = turn.look()
        for order in orders:
            match order:
                case Guess(text):
                    assert open_words is None
                    assert turn.may_guess
                    open_words = words_of(text)
                    assert open_words == words_of(heard)
                    guesses += 1
                case Drop():
                    assert open_words is not None
                    open_words = None
        assert open_words in (None, words_of(heard)), "what is guessed at is what was heard last"
        assert guesses <= MAX_GUESSES


def test_the_budget_has_so_many_places() -> None:
    budget = SpeculationBudget(2)
    for _ in range(2):
        assert budget.has_room(0.0)
        budget.opened()
    assert not budget.has_room(0.0)
    budget.closed()
    assert budget.has_room(0.0)
    assert not SpeculationBudget(0).has_room(0.0)


def test_a_refusal_ends_guessing_for_a_while() -> None:
    budget = SpeculationBudget(2)
    budget.refused(100.0)
    assert not budget.has_room(100.0 + REFUSED_S - 0.01)
    assert budget.has_room(100.0 + REFUSED_S)


def test_a_model_that_queues_is_left_to_those_who_wait() -> None:
    budget = SpeculationBudget(2)
    for _ in range(RECENT):
        budget.generated(queue_ms=120.0, first_token_ms=200.0)
    assert not budget.has_room(0.0)
    for _ in range(RECENT):
        budget.generated(queue_ms=0.0, first_token_ms=80.0)
    assert budget.has_room(0.0)


def test_a_model_that_becomes_slow_is_left_to_those_who_wait() -> None:
    budget = SpeculationBudget(2)
    for _ in range(RECENT):
        budget.generated(queue_ms=0.0, first_token_ms=900.0)  # always so slow: guesses are what helps
    assert budget.has_room(0.0)
    for _ in range(RECENT):
        budget.generated(queue_ms=0.0, first_token_ms=100.0)
    assert budget.has_room(0.0)
    for _ in range(RECENT):
        budget.generated(queue_ms=0.0, first_token_ms=350.0)
    assert not budget.has_room(0.0)
