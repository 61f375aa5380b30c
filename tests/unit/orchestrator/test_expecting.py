"""What the agent's words ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice.turn.v1 import turn_pb2

from services.common.expected import Expected
from services.orchestrator.expecting import expected_answer

pytestmark = pytest.mark.unit

ASKED = {
    Expected.PHONE_NUMBER: [
        "What's your phone number?", "Could you give me your mobile number, please?", "I need your telephone number.",
        "What is the best number to reach you on?", "Thanks. Could I take a number we can call you back on?",
    ],
    Expected.CODE: [
        "Please tell me your account number.", "What is your order number? Take your time.", "And your postcode?",
    ],
    Expected.NAME: ["Can I have your name?", "Who am I speaking to?"],
    Expected.SPELLING: ["Could you spell that for me?", "Would you mind spelling your last name?"],
    Expected.EMAIL: ["And your email address?", "What e-mail should I send it to?"],
    Expected.ADDRESS: ["What\u2019s your address?"],
    Expected.DATE_TIME: ["When would you like to come in?", "What day suits you?", "May I have your date of birth?"],
    Expected.NUMBER: ["For how many people is that?", "How much would you like to transfer?"],
    Expected.CHOICE: ["Would you like the morning or the afternoon?", "Which do you prefer, Monday or Tuesday?"],
    Expected.YES_NO: [
        "Shall I book that for you?", "So that's Tuesday at ten, right?", "That's 4.50 euros. Is that all right?",
        "Is your phone number still five five one?", "Do you have an account number?", "Are you still there?",
        "Would you like me to tell you the date?",
    ],
    Expected.ANYTHING: [
        "Hello, this is Mill Street. How can I help you?", "Goodbye.", "Can you tell me what the problem is?",
        "The confirmation e-mail shows where your order is.",
        "Sorry, I didn't catch that. Could you say it again?", "Your phone number is on the list.",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("expected", "said"), [(kind, text) for kind, texts in ASKED.items() for text in texts])
def test_the_last_question_says_what_is_asked_for(expected: Expected, said: str) -> None:
    assert expected_answer(said, "en-US") is expected


def test_what_was_cut_off_before_the_question_asks_for_nothing() -> None:
    assert expected_answer("Thank you. And what is", "en") is Expected.ANYTHING


@pytest.mark.parametrize(("said", "language"), [("", "en"), ("  ", "en"), ("Qual è il suo numero?", "it-IT")])
def test_where_nothing_was_said_or_the_language_has_no_table_nothing_is_known(said: str, language: str) -> None:
    assert expected_answer(said, language) is Expected.UNSPECIFIED


@given(said=st.text(), language=st.sampled_from(["en", "en-GB", "", "fr", "x"]))
def test_any_text_can_be_read(said: str, language: str) -> None:
    assert expected_answer(said, language) in Expected


def test_the_values_are_those_of_the_contract() -> None:
    names = {f"EXPECTED_ANSWER_{kind.name}": kind.value for kind in Expected}
    assert names == dict(turn_pb2.ExpectedAnswer.items())
