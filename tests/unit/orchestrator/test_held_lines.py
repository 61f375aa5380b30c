"""Which phrases of a reply must be heard to their end."""

from __future__ import annotations

import pytest

from services.orchestrator.held_lines import held_phrases

pytestmark = pytest.mark.unit

NOTICE = ("this", "call", "is", "recorded", "for", "training", "and", "kept", "for", "a", "year")


@pytest.mark.parametrize(
    ("texts", "held"),
    [
        ([], set()),
        (["Hello."], set()),
        (["Hello.", "This call is recorded for training,", "and kept for a year."], {1, 2}),
        (["this CALL is recorded \u2013 for training and kept for a year", "So.", "Bye."], {0}),
        (["Hello. This call is recorded", "for training and kept for a year. What", "is your name?"], {0, 1}),
        (["Hello.", "This call is recorded for training,"], {1}),
        (["Hello.", "This call"], {1}),
        (["Hello.", "This"], set()),
        (["This call is recorded for training.", "And kept for two years."], set()),
        (["This call is over."], set()),
    ],
)
def test_a_notice_is_held_once_it_is_begun_and_as_long_as_it_is_said_word_for_word(
    texts: list[str], held: set[int]
) -> None:
    assert held_phrases(texts, [NOTICE]) == held


def test_each_notice_is_held_wherever_it_is_said() -> None:
    texts = ["One two.", "Three.", "Four five.", "One two."]
    assert held_phrases(texts, [("one", "two"), ("four", "five")]) == {0, 2, 3}
