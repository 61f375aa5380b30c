from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.text import prepare
from services.tts.timing import Mark, word_bounds

pytestmark = pytest.mark.unit


def bounds(text: str, marks: list[tuple[int, float]], total_ms: float) -> list[float]:
    phrase = prepare(text)
    return word_bounds(phrase, phrase.words, [Mark(*mark) for mark in marks], total_ms)


def test_each_word_with_a_mark_begins_there() -> None:
    assert bounds("one two three", [(0, 0), (4, 200), (8, 350)], 600) == [0, 200, 350, 600]


def test_words_run_together_share_the_time_by_their_length() -> None:
    # As espeak-ng does with "how are": one mark, on the space before.
    assert bounds("hi how are you", [(0, 0), (2, 100), (11, 400)], 500) == [0, 100, 250, 400, 500]


def test_many_marks_in_one_word_count_once() -> None:
    assert bounds("$45.50 on", [(0, 0), (1, 300), (2, 600), (7, 900)], 1000) == [0, 900, 1000]


def test_a_dash_takes_no_time() -> None:
    assert bounds("OK — really", [(0, 0), (5, 400)], 900) == [0, 400, 400, 900]


def test_a_first_word_begins_with_the_audio() -> None:
    assert bounds("one two", [(0, 7), (4, 200)], 400)[0] == 0


def test_no_marks_at_all() -> None:
    assert bounds("aa bb", [], 100) == [0, 50, 100]
    assert bounds("", [], 0) == [0]
    assert bounds("— —", [], 50) == [0, 0, 50]


@given(
    st.text("ab .—", max_size=60),
    st.lists(st.tuples(st.integers(-5, 80), st.floats(-50, 2000)), max_size=20),
    st.floats(0, 1000),
)
def test_bounds_never_run_backwards_whatever_the_engine_says(
    text: str, marks: list[tuple[int, float]], total_ms: float
) -> None:
    found = bounds(text, marks, total_ms)
    assert len(found) == len(prepare(text).words) + 1
    assert found[0] == 0 or len(found) == 1
    assert all(0 <= left <= right * (1 + 1e-9) + 1e-9 for left, right in pairwise(found))
    assert found[-1] == total_ms
