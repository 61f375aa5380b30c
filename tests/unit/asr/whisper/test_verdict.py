"""Which texts are believed."""

from __future__ import annotations

import pytest

from services.asr.engines.whisper.transcript import written
from services.asr.engines.whisper.verdict import Thresholds, confidence, is_imagined, without_loops
from tests.unit.asr.whisper.oracle import word, words

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "no_speech", "log_probability", "imagined"),
    [
        ("book a table", 0.9, -1.5, True),
        ("book a table", 0.9, -0.5, False),  # silence, it says, but the words are clear
        ("book a table", 0.3, -1.5, False),  # mumbled
        ("Thank you.", 0.4, -0.6, True),
        ("Thank you.", 0.05, -0.6, False),  # somebody says thank you
        ("Thank you.", 0.4, -0.1, False),
        ("Thank you.", 0.9, -0.01, True),
        ("Thanks for watching!", 0.5, -0.5, True),
    ],
)
def test_a_text_is_rejected_by_two_signs_never_by_its_words(
    text: str, no_speech: float, log_probability: float, imagined: bool
) -> None:
    assert is_imagined(words(text), no_speech, log_probability, Thresholds()) is imagined


def test_a_loop_is_kept_once() -> None:
    said = words("i want " + "a table for two " * 9)
    assert written(without_loops(said)) == "i want a table for two"


@pytest.mark.parametrize("text", ["no no no no", "one one one two two two", "it is a very very long way to go", ""])
def test_people_may_repeat_themselves(text: str) -> None:
    assert written(without_loops(words(text))) == text


def test_confidence_is_the_mean_of_probabilities() -> None:
    assert confidence([]) == 0
    assert confidence([word(" a", 0, 1, probability=0.25), word(" b", 1, 2, probability=1.0)]) == pytest.approx(0.5)
    assert 0 < confidence([word(" a", 0, 1, probability=0.0)]) < 0.01
