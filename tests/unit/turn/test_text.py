"""How texts read."""

from __future__ import annotations

import pytest

from services.turn.text import Reading, beyond_backchannels, read

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "text",
    [
        "my name is", "i would like to", "a table for", "i want an appointment on", "and", "um", "well um", "i", "i'm",
        "i need", "can you", "could you tell me", "monday or", "because", "it's the", "my", "book it for tuesday and",
        "let me see", "the number is", "yes and", "i'd like to come in on tuesday at", "so", "double",
        "Well, I was thinking,", "I wanted to ask...", "My address is\u2026", "okay so", "what time is the",
    ],
)  # fmt: skip
def test_unfinished(text: str) -> None:
    assert read(text) is Reading.UNFINISHED


@pytest.mark.parametrize(
    "text",
    [
        "yes", "no", "Yes please.", "no thank you", "okay", "hello", "hi how are you", "thank you very much", "goodbye",
        "that's all", "i'd like to check my order status please", "yes that's right", "Good morning!", "i think so",
        "yes it is", "no i don't", "What are your opening hours?", "stop", "that's it thanks", "never mind",
    ],
)  # fmt: skip
def test_complete(text: str) -> None:
    assert read(text) is Reading.COMPLETE


@pytest.mark.parametrize("text", ["five five five", "my number is zero one", "oh seven nine", "5 5 5"])
def test_digits_being_read_out_are_open(text: str) -> None:
    assert read(text) is Reading.OPEN


@pytest.mark.parametrize(
    "text",
    [
        "monday at ten", "maria lopez", "what is it for", "where are you from", "i want to book an appointment",
        "zero one two three four five six seven eight nine", "who is it about",
    ],
)  # fmt: skip
def test_neutral(text: str) -> None:
    assert read(text) is Reading.NEUTRAL


@pytest.mark.parametrize("text", ["", "  ", "\n", "'"])
def test_no_words_are_unknown(text: str) -> None:
    assert read(text) is Reading.UNKNOWN


def test_other_languages_say_only_that_there_are_words() -> None:
    assert read("nazywam się", "pl") is Reading.NEUTRAL
    assert read("słucham?", "pl-PL") is Reading.COMPLETE
    assert read("więc,", "pl") is Reading.UNFINISHED
    assert read("my name is", "en-GB") is Reading.UNFINISHED


@pytest.mark.parametrize(
    "text", ["uh-huh", "mm-hm", "mhm", "yeah", "Yes?", "okay", "right", "I see", "oh okay", "yeah, got it", "um", "mm"]
)
def test_backchannels(text: str) -> None:
    assert beyond_backchannels(text) == []


@pytest.mark.parametrize(
    "text", ["no", "stop", "wait", "yeah but", "okay tell me the price", "sorry", "I see a problem", "what"]
)
def test_words_that_want_the_floor(text: str) -> None:
    assert beyond_backchannels(text)


def test_nothing_said_over_the_agent() -> None:
    assert beyond_backchannels(" ") == []
    assert beyond_backchannels("", "de") == []
    assert beyond_backchannels("tak", "pl") == ["tak"]
