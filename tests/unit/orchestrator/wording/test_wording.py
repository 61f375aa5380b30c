"""The whole way of a model's text to synthesis: nothing of it is lost, and nothing said twice."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.wording.directives import MAX_PAUSE_MS, Directives
from services.orchestrator.wording.normalise import normaliser
from services.orchestrator.wording.wording import SpokenPhrase, Wording, whole
from tests.unit.orchestrator.wording.deltas import CUTS, TEXTS, by_word, cut, squeezed

pytestmark = pytest.mark.unit

MARKS = re.compile("[\ue000-\ue00f]")


def worded(*deltas: str, tag: str = "en-US") -> list[SpokenPhrase]:
    wording = Wording(tag)
    return [phrase for delta in deltas for phrase in wording.push(delta)] + wording.flush()


def said(*deltas: str) -> list[str]:
    return [phrase.spoken.text for phrase in worded(*deltas)]


def test_a_style_and_a_pause_belong_to_the_phrase_that_follows() -> None:
    text = 'Hello. <emotion value="cheerful"/>We have it! <break time="300ms"/><break time="200ms"/>Anything else?'
    assert [(phrase.written, phrase.style, phrase.pause_ms) for phrase in worded(*by_word(text))] == [
        ("Hello.", "", 0),
        ("We have it!", "cheerful", 0),
        ("Anything else?", "cheerful", 500),
    ]


def test_pauses_in_a_row_are_no_longer_than_synthesis_takes() -> None:
    assert [phrase.pause_ms for phrase in worded('Wait. <break time="4s"/><break time="4s"/>There.')] == [
        0,
        MAX_PAUSE_MS,
    ]


def test_no_directive_is_ever_written_or_said() -> None:
    (phrase,) = worded('It is <spell>BK4471</spell> on the <say-as interpret-as="ordinal">3</say-as> floor. <spel')
    assert phrase.written == "It is BK4471 on the 3 floor."
    assert phrase.spoken.text == "It is B K four four seven one on the third floor."


def test_what_is_asked_to_be_spelled_is_in_one_phrase() -> None:
    text = "The very long code of the booking that was made is <spell>AB CD EF GH IJ KL MN OP QR ST</spell> and so on."
    assert any("A B, C D, E F, G H" in spoken and "S T" in spoken for spoken in said(*by_word(text)))


@pytest.mark.parametrize("text", ["It is $12.50 now.", "Call 555-123-4567 now.", "At 3:30 p.m. on March 3, 2026."])
def test_a_number_cut_by_a_delta_is_not_said_in_halves(text: str) -> None:
    whole_text = " ".join(said(text))
    for at in range(1, len(text)):
        assert " ".join(said(text[:at], text[at:])) == whole_text


def test_code_is_written_and_not_said() -> None:
    phrases = worded(*by_word("Run this:\n```python\nprint(12)\nexit()\n```\nThen wait."))
    assert [phrase.spoken.text for phrase in phrases] == ["Run this:", "Then wait."]
    assert phrases[1].written == "```python print(12) exit() ``` Then wait."
    assert phrases[1].spoken.written_end(4) == phrases[1].written.index("Then") + 4


def test_a_list_is_said_with_pauses() -> None:
    assert said("Bring:\n- **milk**\n- eggs\nThanks") == ["Bring:", "milk.", "eggs.", "Thanks"]


def test_what_cannot_be_said_is_kept_in_writing() -> None:
    assert [(phrase.written, phrase.spoken.text) for phrase in worded("👍")] == [("👍", "")]
    assert [(phrase.written, phrase.spoken.text) for phrase in worded("👍 Yes.", " 👋")] == [
        ("👍 Yes.", " Yes."),
        ("👋", ""),
    ]


def test_the_end_of_a_sentence_is_told() -> None:
    text = "One. Two, that is it! A clause, which is long enough to be a phrase of its own, and **three?**"
    assert [phrase.ends_sentence for phrase in worded(*by_word(text))].count(True) == 3


def test_a_fixed_sentence_is_one_phrase() -> None:
    phrase = whole('<emotion value="calm"/>Hello. We are open 9-5.', "en-GB")
    assert (phrase.written, phrase.spoken.text, phrase.style) == (
        "Hello. We are open 9-5.",
        "Hello. We are open nine to five.",
        "calm",
    )


@given(TEXTS, CUTS, st.sampled_from(["en", "de", "pl", ""]))
def test_all_that_is_written_is_kept_and_said_once(text: str, cuts: list[int], tag: str) -> None:
    phrases = worded(*cut(text, cuts), tag=tag)
    directives = Directives()
    items = directives.push(text) + directives.flush()
    plain = MARKS.sub("", "".join(item for item in items if isinstance(item, str)))
    assert squeezed("".join(phrase.written for phrase in phrases)) == squeezed(plain)
    for phrase in phrases:
        assert not MARKS.search(phrase.written + phrase.spoken.text)
        ends = [phrase.spoken.written_end(at) for at in range(len(phrase.spoken.text) + 1)]
        assert ends == sorted(ends)
        assert ends[-1] <= len(phrase.written)


@given(
    st.lists(st.sampled_from(["alpha ", "beta, ", "gamma. ", "and we ", "delta which ", "$5 ", "7 "]), max_size=60),
    CUTS,
)
def test_words_are_said_in_order_and_each_once(words: list[str], cuts: list[int]) -> None:
    text = "".join(words)
    assert " ".join(said(*cut(text, cuts))).split() == normaliser("en").say(text).text.split()
