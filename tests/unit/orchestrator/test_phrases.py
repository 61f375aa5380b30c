"""A model's text becomes phrases that a voice can speak: early, whole, and none of it lost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.phrases import CLAUSE_MIN_CHARS, FORCED_CHARS, PhraseChunker

pytestmark = pytest.mark.unit


def chunk(*deltas: str) -> list[str]:
    chunker = PhraseChunker()
    phrases = [phrase for delta in deltas for phrase in chunker.push(delta)]
    return [*phrases, *filter(None, [chunker.flush()])]


def by_word(text: str) -> list[str]:
    """Return `text` in deltas as models give them: a word with the space before it."""
    first, *others = text.split(" ")
    return [first, *(f" {word}" for word in others)]


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("Hello there. How are you? Fine!", ["Hello there.", "How are you?", "Fine!"]),
        ("Really?! Yes... Well… no", ["Really?!", "Yes...", "Well…", "no"]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("(It is open.) Come in.", ["(It is open.)", "Come in."]),
        ("First line\nSecond line\n\nThird", ["First line", "Second line", "Third"]),
        ("\n\nHello.\n", ["Hello."]),
        ("no end in sight", ["no end in sight"]),
        ("你好。 Hello.", ["你好。", "Hello."]),
        ("", []),
        ("   \n ", []),
    ],
)
def test_sentences(text: str, phrases: list[str]) -> None:
    assert chunk(text) == phrases


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Smith sees you at ten.",
        "Mr. and Mrs. Lee came.",
        "It is at 5 St. James Street.",
        "J. R. Hartley called.",
        "The U.S. office is closed.",
        "Bring e.g. a card.",
        "We close at 5 p.m. on Fridays.",
        "It costs 3.50 today.",
        "Come at 10.30 please.",
        "Version 1.2.3 is out.",
        "See example.com for more.",
        "Ask for no. 7 at the desk.",
    ],
)
def test_full_stops_inside_a_sentence_break_nothing(sentence: str) -> None:
    assert chunk(sentence) == [sentence]
    assert chunk(*by_word(sentence)) == [sentence]


def test_a_number_at_the_end_of_a_delta_may_go_on() -> None:
    chunker = PhraseChunker()
    assert chunker.push("Come at 10.") == []
    assert chunker.push("30 please.") == ["Come at 10.30 please."]


def test_a_number_may_end_a_sentence() -> None:
    chunker = PhraseChunker()
    assert chunker.push("It is on the 10.") == []
    assert chunker.push(" Shall I book it?") == ["It is on the 10.", "Shall I book it?"]
    assert chunk("It is on the 10.") == ["It is on the 10."]


def test_a_sentence_is_given_as_soon_as_it_ends() -> None:
    chunker = PhraseChunker()
    assert chunker.push("Hello") == []
    assert chunker.push(" there") == []
    assert chunker.push(".") == ["Hello there."]
    assert chunker.push(" How") == []
    assert chunker.flush() == "How"
    assert chunker.flush() == ""


@pytest.mark.parametrize("mark", [",", ";", ":", " \N{EN DASH}", " \N{EM DASH}"])
def test_a_clause_breaks_once_it_is_long_enough(mark: str) -> None:
    short = f"We have one{mark} and"
    assert chunk(*by_word(short)) == [short]
    head = "We have a table for two at the window now"
    assert len(head) >= CLAUSE_MIN_CHARS
    assert chunk(*by_word(f"{head}{mark} and one more")) == [f"{head}{mark}", "and one more"]


def test_a_comma_within_a_number_breaks_nothing() -> None:
    text = "The whole of it, with everything, comes to 1,250 euros"
    assert chunk(text)[-1].endswith("1,250 euros")


def test_without_any_boundary_a_phrase_breaks_between_words_before_it_is_too_long() -> None:
    text = " ".join(["word"] * 60)
    phrases = chunk(*by_word(text))
    assert " ".join(phrases) == text
    assert all(len(phrase) <= FORCED_CHARS for phrase in phrases)
    assert all(len(phrase) > FORCED_CHARS - 10 for phrase in phrases[:-1])


def test_a_word_without_end_is_cut() -> None:
    phrases = chunk("a" * 250)
    assert [len(phrase) for phrase in phrases] == [80, 80, 80, 10]


def test_the_first_phrase_of_a_long_sentence_does_not_wait_for_its_end() -> None:
    text = "We are open from Monday to Saturday between nine and six, and on Sundays we are closed."
    assert chunk(*by_word(text))[0] == "We are open from Monday to Saturday between nine and six,"


PIECES = st.sampled_from(
    [
        *"abcXYZ019 \n\t.,;:!?…'\")]-",
        "Dr.",
        "e.g.",
        "10.",
        "30",
        " - ",
        " \N{EM DASH} ",
        "word ",
        "Hello. ",
        "é",
        "你好",
        "👋🏽",
    ]
)
TEXTS = st.lists(PIECES, max_size=120).map("".join)


@given(TEXTS, st.lists(st.integers(0, 400), max_size=30))
def test_nothing_is_lost_or_added_wherever_the_deltas_are_cut(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    phrases = chunk(*(text[start:end] for start, end in itertools.pairwise(places)))
    assert squeezed("".join(phrases)) == squeezed(text)


@given(TEXTS)
def test_phrases_are_stripped_bounded_and_never_empty(text: str) -> None:
    for phrase in chunk(*text):
        assert phrase
        assert phrase == phrase.strip()
        assert len(phrase) <= FORCED_CHARS + 1


@given(TEXTS)
def test_words_are_not_torn_apart(text: str) -> None:
    """Between two phrases there was a space, or a sentence ended, or a word was too long for any phrase."""
    words = set(text.split())
    for phrase in chunk(text):
        for word in phrase.split():
            assert word in words or any(len(whole) >= FORCED_CHARS for whole in words), (phrase, word)
