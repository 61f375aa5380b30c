"""A model's text becomes phrases that a voice can speak: early, whole, where it would breathe, and none of it lost."""

from __future__ import annotations

import pytest
from hypothesis import given

from services.orchestrator.wording.english import ENGLISH
from services.orchestrator.wording.german import GERMAN
from services.orchestrator.wording.language import Language
from services.orchestrator.wording.phrases import FIRST, LATER, LONGEST_WORD, Phrase, PhraseChunker
from tests.unit.orchestrator.wording.deltas import CUTS, TEXTS, by_word, cut, squeezed

pytestmark = pytest.mark.unit


def chunk(*deltas: str, language: Language | None = ENGLISH) -> list[str]:
    chunker = PhraseChunker(language)
    phrases = [phrase for delta in deltas for phrase in chunker.push(delta)]
    return [phrase.text for phrase in [*phrases, *chunker.flush()]]


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
        ("We close at 5 p.m. We open at nine.", ["We close at 5 p.m.", "We open at nine."]),
        ("Take vitamin C. It helps.", ["Take vitamin C.", "It helps."]),
        ("", []),
        ("   \n ", []),
    ],
)
def test_sentences(text: str, phrases: list[str]) -> None:
    assert chunk(text) == phrases
    assert chunk(*by_word(text)) == phrases


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
        "1. Open the box.",
    ],
)
def test_full_stops_inside_a_sentence_break_nothing(sentence: str) -> None:
    assert chunk(sentence) == [sentence]
    assert chunk(*by_word(sentence)) == [sentence]


def test_a_figure_with_a_full_stop_is_an_ordinal_in_german() -> None:
    text = "Sie kommen am 3. März. Wir freuen uns."
    assert chunk(*by_word(text), language=GERMAN) == ["Sie kommen am 3. März.", "Wir freuen uns."]


def test_a_number_at_the_end_of_a_delta_may_go_on() -> None:
    chunker = PhraseChunker(ENGLISH)
    assert chunker.push("Come at 10.") == []
    assert chunker.push("30 please.") == [Phrase("Come at 10.30 please.")]


def test_a_number_may_end_a_sentence() -> None:
    chunker = PhraseChunker(ENGLISH)
    assert chunker.push("It is on the 10.") == []
    assert chunker.push(" Shall I book it?") == [Phrase("It is on the 10."), Phrase("Shall I book it?")]
    assert chunk("It is on the 10.") == ["It is on the 10."]


def test_an_address_that_comes_in_pieces_is_not_torn() -> None:
    deltas = ["My email", " is", " john", ".", "smith", "@", "example", ".", "com", "."]
    assert chunk(*deltas, " Bye.") == ["My email is john.smith@example.com.", "Bye."]
    assert chunk("See https://example.com/?", "a=1 now.") == ["See https://example.com/?a=1 now."]


def test_a_sentence_is_given_as_soon_as_it_ends() -> None:
    chunker = PhraseChunker(ENGLISH)
    assert chunker.push("Hello") == []
    assert chunker.push(" there") == []
    assert chunker.push(".") == [Phrase("Hello there.")]
    assert chunker.push(" How") == []
    assert chunker.flush() == [Phrase("How")]
    assert chunker.flush() == []


def test_the_end_of_a_line_is_told() -> None:
    assert PhraseChunker(ENGLISH).push("one\ntwo. three") == [Phrase("one", ends_line=True), Phrase("two.")]


@pytest.mark.parametrize("mark", [",", ";", ":", " \N{EN DASH}", " \N{EM DASH}"])
def test_a_later_clause_breaks_once_it_is_long_enough(mark: str) -> None:
    short = f"We have one{mark} or so"
    assert chunk("Yes.", *by_word(short)) == ["Yes.", short]
    head = "We have a table for two at the window now"
    assert len(head) >= LATER.clause
    assert chunk("Yes.", *by_word(f"{head}{mark} or one at the door")) == [
        "Yes.",
        f"{head}{mark}",
        "or one at the door",
    ]


def test_the_first_clause_is_short() -> None:
    assert chunk(*by_word("Of course, I can do that.")) == ["Of course,", "I can do that."]
    assert chunk(*by_word("Sure, I can do that.")) == ["Sure, I can do that."]  # too short to be bridged


def test_a_last_word_is_not_left_alone() -> None:
    assert chunk("Yes.", *by_word("We have a table for two at the window now, please. Good."))[1].endswith("please.")


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        (
            "We have a quiet table for you but you must be here by six.",
            ["We have a quiet table for you", "but you must be here by six."],
        ),
        (
            "It is the last table that we have and we can hold it for an hour.",
            ["It is the last table that we have", "and we can hold it for an hour."],
        ),
        (
            "You can talk to my colleague who knows all about it.",
            ["You can talk to my colleague", "who knows all about it."],
        ),
    ],
)
def test_a_voice_breathes_before_what_opens_a_clause(text: str, phrases: list[str]) -> None:
    assert chunk(*by_word(text)) == phrases


BOUND = [
    "of the", "in the", "to the", "a table", "the table", "your table", "1,250 euros", "March 3", "3, 2026",
    "Anna Maria", "Maria Smith", "Dr. Anna", "555 123", "123 4567", "5 km", "New York",
]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "The table at the end of the hall by the windows of the old house near the river costs 1,250 euros",
        "Your appointment with Dr. Anna Maria Smith is on March 3, 2026 in the practice near the town hall of New York",
        "Please call us on 555 123 4567 or walk the 5 km along the river to the table at the end of the garden",
    ],
)
def test_what_belongs_together_is_said_in_one_breath(text: str) -> None:
    phrases = chunk(*by_word(text))
    assert len(phrases) > 1
    for bound in (pair for pair in BOUND if pair in text):
        assert any(bound in phrase for phrase in phrases), (bound, phrases)


def test_without_any_boundary_a_phrase_breaks_between_words_before_it_is_too_long() -> None:
    text = " ".join(["word"] * 60)
    phrases = chunk(*by_word(text))
    assert " ".join(phrases) == text
    assert len(phrases[0]) <= FIRST.forced
    assert all(LATER.forced - 10 < len(phrase) <= LATER.forced for phrase in phrases[1:-1])


def test_a_word_without_end_is_cut() -> None:
    assert [len(phrase) for phrase in chunk("a" * 450)] == [LONGEST_WORD, LONGEST_WORD, 50]


def test_the_first_phrase_of_a_long_sentence_does_not_wait_for_its_end() -> None:
    text = "We are open from Monday to Saturday between nine and six, and on Sundays we are closed."
    assert chunk(*by_word(text)) == [
        "We are open from Monday to Saturday",
        "between nine and six, and on Sundays we are closed.",
    ]


@given(TEXTS, CUTS)
def test_nothing_is_lost_or_added_wherever_the_deltas_are_cut(text: str, cuts: list[int]) -> None:
    for language in (ENGLISH, None):
        assert squeezed("".join(chunk(*cut(text, cuts), language=language))) == squeezed(text)


@given(TEXTS)
def test_phrases_are_stripped_bounded_and_never_empty(text: str) -> None:
    for phrase in chunk(*text):
        assert phrase
        assert phrase == phrase.strip()
        assert len(phrase) <= LONGEST_WORD + LATER.forced


@given(TEXTS)
def test_words_are_not_torn_apart(text: str) -> None:
    """Between two phrases there was a space, or a sentence ended, or a word was too long for any phrase."""
    words = set(text.split())
    for phrase in chunk(text):
        for word in phrase.split():
            assert word in words or any(len(whole) >= LATER.forced for whole in words), (phrase, word)
