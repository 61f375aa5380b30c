"""What the decoder is told beforehand."""

from __future__ import annotations

import pytest

from services.asr.engine import KeyTerm
from services.asr.engines.whisper.prompt import MAX_PAST_TOKENS, MAX_TERM_TOKENS, previous_tokens, term_tokens

pytestmark = pytest.mark.unit


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def spelled(tokens: tuple[int, ...]) -> str:
    return "".join(map(chr, tokens))


def test_the_most_favoured_term_stands_next_to_the_speech() -> None:
    terms = (KeyTerm("Smyth", 0.9), KeyTerm(" Willow Dental ", 0.2), KeyTerm("Maria", 0.5))
    assert spelled(term_tokens(terms, letters)) == " Willow Dental, Maria, Smyth"


def test_terms_beyond_the_budget_are_left_out_whole_and_the_least_favoured_first() -> None:
    terms = (KeyTerm("a" * 60, 0.1), KeyTerm("b" * 60, 0.9), KeyTerm("c" * 20, 0.05))
    told = spelled(term_tokens(terms, letters))
    assert told == " " + "c" * 20 + ", " + "b" * 60
    assert len(told) <= MAX_TERM_TOKENS


def test_nothing_to_tell_is_no_prompt() -> None:
    assert term_tokens((), letters) == ()
    assert previous_tokens(999, (), ()) == ()
    assert previous_tokens(999, (), (1, 2, 3)) == ()  # less than a step


def test_terms_precede_what_was_said_and_that_comes_in_steps() -> None:
    assert previous_tokens(999, (5, 6), range(19)) == (999, 5, 6, *range(3, 19))
    assert len(previous_tokens(999, (), range(500))) == 1 + MAX_PAST_TOKENS
