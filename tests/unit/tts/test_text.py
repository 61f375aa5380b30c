from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.text import Substitution, divide, ends_clause, ends_sentence, is_speakable, prepare

pytestmark = pytest.mark.unit


@given(st.text(max_size=300))
def test_prepared_text_is_as_long_as_the_raw_and_its_words_cover_it(raw: str) -> None:
    phrase = prepare(raw)
    assert len(phrase.text) == len(raw)
    assert "".join(raw[word.start : word.end] for word in phrase.words) == "".join(raw.split())
    assert all(left.end <= right.start for left, right in zip(phrase.words, phrase.words[1:], strict=False))
    assert not any(char < " " and char != "\n" for char in phrase.text)


@pytest.mark.parametrize(
    ("raw", "spoken"),
    [
        ("**Bold** and _slanted_ words", "Bold and slanted words"),
        ("<b>tagged</b> text", "tagged text"),
        ("see [our page](https://example.com/a)", "see [our page]"),
        ("# Heading", "Heading"),
        ("* item", "item"),
        ("`code`", "code"),
        ("5 * 3 = 15", "5 * 3 = 15"),
        ("3 < 4 and 5 > 2", "3 < 4 and 5 > 2"),
        ("snake_case", "snake_case"),
        ("ok 😀👍🏽 then", "ok then"),
        ("21°C ™", "21°C ™"),
        ("a\x00b\x1bc\ue000d", "a b c d"),
        ("line\nline", "line\nline"),
        ("10:30, Café — naïve", "10:30, Café — naïve"),
    ],
)
def test_markup_is_not_spoken_and_text_is_not_touched(raw: str, spoken: str) -> None:
    text = prepare(raw).text
    assert text.split() == spoken.split()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("Café at 10:30, Saoirse", ["Café", "at", "10:30,", "Saoirse"]),
        ("OK — really?", ["OK", "—", "really?"]),
        ("  two\n\twords ", ["two", "words"]),
        ("日本語 text", ["日", "本", "語", "text"]),
        ("", []),
    ],
)
def test_words_are_as_written(raw: str, words: list[str]) -> None:
    assert [raw[word.start : word.end] for word in prepare(raw).words] == words


@pytest.mark.parametrize("text", ["a", "7", "日", "%", "$"])
def test_something_to_say(text: str) -> None:
    assert is_speakable(text)


@pytest.mark.parametrize("raw", ["", " ", "...", "—!?", "**", "😀", "<br>", "\x01", "`_`"])
def test_nothing_to_say(raw: str) -> None:
    assert not prepare(raw).is_speakable


def test_ends() -> None:
    assert ends_sentence('He said "no."')
    assert ends_sentence("Right?")
    assert not ends_sentence("Right,")
    assert ends_clause("Right,")
    assert not ends_clause("Right")


def test_substitution_takes_whole_words_in_any_case_and_the_longer_first() -> None:
    substitution = Substitution([("saoirse", "seer sha"), ("Saoirse Ronan", "X"), ("C++", "see plus plus")])
    assert substitution.apply("SAOIRSE and Saoirses").text == "seer sha and Saoirses"
    assert substitution.apply("saoirse ronan in C++.").text == "X in see plus plus."


def test_substitution_knows_the_way_back() -> None:
    said = Substitution([("bb", "longer")]).apply("a bb cc bb")
    assert said.text == "a longer cc longer"
    assert [said.source_position(position) for position in (0, 2, 5, 9, 12, 17)] == [0, 2, 2, 5, 8, 8]


@given(
    st.text("ab ", max_size=40), st.dictionaries(st.sampled_from(["a", "b", "ab", "ba"]), st.text("xyz", max_size=5))
)
def test_substitution_positions_never_run_backwards(text: str, replacements: dict[str, str]) -> None:
    said = Substitution(replacements.items()).apply(text)
    back = [said.source_position(position) for position in range(len(said.text))]
    assert back == sorted(back)
    assert all(0 <= position < len(text) for position in back)


def test_an_empty_substitution_changes_nothing() -> None:
    said = Substitution([]).apply("as it was")
    assert (said.text, said.source_position(3)) == ("as it was", 3)


def test_divide_prefers_sentences_then_clauses_then_words() -> None:
    def parts(raw: str, size: int) -> list[str]:
        return [raw[run[0].start : run[-1].end] for run in divide(prepare(raw), size)]

    assert parts("One two. Three four five", 14) == ["One two.", "Three four", "five"]
    assert parts("One, two three four", 14) == ["One,", "two three four"]
    assert parts("one two three four", 9) == ["one two", "three", "four"]
    assert parts("w" * 50, 9) == ["w" * 50]
    assert parts("", 9) == []


@given(st.text("ab,. ", max_size=200), st.integers(1, 50))
def test_divide_keeps_every_word(raw: str, size: int) -> None:
    phrase = prepare(raw)
    runs = divide(phrase, size)
    assert tuple(word for run in runs for word in run) == phrase.words
    assert all(run for run in runs)
    assert all(len(run) == 1 or run[-1].end - run[0].start <= size for run in runs)
