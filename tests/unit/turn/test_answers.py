"""How texts read as answers to what was asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.expected import Expected
from services.turn.answers import read_answer
from services.turn.text import Reading, read

pytestmark = pytest.mark.unit

READ = {
    Expected.YES_NO: {
        Reading.COMPLETE: ["yes", "no that's wrong", "yeah that works", "not really", "I guess so"],
        Reading.UNFINISHED: ["yes I want to", "no but", "yes and um"],
        Reading.NEUTRAL: ["yes tuesday in the afternoon around three", "monday"],
    },
    Expected.CHOICE: {Reading.COMPLETE: ["the morning", "tuesday"], Reading.UNFINISHED: ["the", "in the"]},
    Expected.NUMBER: {
        Reading.COMPLETE: ["four", "for two people", "twenty five", "12"],
        Reading.NEUTRAL: ["twenty", "a hundred", "many"],
        Reading.UNFINISHED: ["about", "two or"],
    },
    Expected.PHONE_NUMBER: {
        Reading.UNFINISHED: ["five five five", "555", "my number is oh two oh", "five five um five", "double"],
        Reading.OPEN: ["five five five one two three four", "555-1234", "sure", "yes of course"],
        Reading.COMPLETE: ["5551234567", "oh seven seven double four nine six two three one", "no"],
        Reading.NEUTRAL: ["I have none"],
    },
    Expected.CODE: {
        Reading.UNFINISHED: ["b four", "it's seven two one", "it's"],
        Reading.OPEN: ["b four seven nine", "8156", "yes"],
        Reading.NEUTRAL: ["eight one five six six two nine one"],
    },
    Expected.NAME: {
        Reading.COMPLETE: ["maria lopez", "my name is john smith"],
        Reading.NEUTRAL: ["maria", "it's anna"],
        Reading.UNFINISHED: ["my name is"],
    },
    Expected.SPELLING: {
        Reading.UNFINISHED: ["s m", "n"],
        Reading.OPEN: ["s m i t h", "smith", "sure"],
        Reading.COMPLETE: ["that's all"],
        Reading.NEUTRAL: ["I can't spell"],
    },
    Expected.EMAIL: {
        Reading.UNFINISHED: ["maria at", "maria at gmail", "maria at gmail dot"],
        Reading.OPEN: ["maria dot lopez", "okay"],
        Reading.COMPLETE: ["maria dot lopez at gmail dot com", "maria.lopez@gmail.com"],
        Reading.NEUTRAL: ["I don't have one"],
    },
    Expected.DATE_TIME: {
        Reading.COMPLETE: ["tuesday at ten am", "at 10 a.m.", "around noon"],
        Reading.OPEN: ["in march", "the twenty", "may"],
        Reading.NEUTRAL: ["the third of march", "tuesday", "at 10"],
        Reading.UNFINISHED: ["the third of", "tuesday at"],
    },
    Expected.ADDRESS: {
        Reading.UNFINISHED: ["forty five", "12"],
        Reading.OPEN: ["12 high street"],
        Reading.NEUTRAL: ["12 high street bristol"],
    },
}  # fmt: skip
CASES = [(kind, reading, text) for kind, by in READ.items() for reading, texts in by.items() for text in texts]


@pytest.mark.parametrize(("expected", "reading", "text"), CASES)
def test_an_answer_is_read_in_the_light_of_what_was_asked(expected: Expected, reading: Reading, text: str) -> None:
    assert read_answer(text, expected) is reading


@pytest.mark.parametrize("expected", [Expected.UNSPECIFIED, Expected.ANYTHING])
def test_where_anything_may_come_a_text_is_read_by_itself(expected: Expected) -> None:
    for _, _, text in CASES:
        assert read_answer(text, expected) is read(text)


def test_in_another_language_a_text_is_read_by_itself() -> None:
    assert read_answer("five five five", Expected.PHONE_NUMBER, "de") is read("five five five", "de")


@given(text=st.text(), expected=st.sampled_from(Expected))
def test_any_text_can_be_read(text: str, expected: Expected) -> None:
    assert read_answer(text, expected) in Reading
