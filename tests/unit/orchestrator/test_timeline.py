"""What the caller heard of a reply, to the word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.timeline import TimedWord, Timeline
from services.orchestrator.wording.normalise import normaliser

pytestmark = pytest.mark.unit

WORD_MS = 200


def timed(text: str, word_ms: float = WORD_MS) -> list[TimedWord]:
    """Return the words of `text`, each `word_ms` long."""
    ends = []
    place = 0
    for word in text.split():
        place = text.index(word, place) + len(word)
        ends.append(place)
    return [TimedWord((number + 1) * word_ms, end) for number, end in enumerate(ends)]


def spoken(*texts: str, with_words: bool = True) -> Timeline:
    timeline = Timeline()
    for text in texts:
        phrase = timeline.add_phrase(text)
        timeline.add_audio(phrase, WORD_MS * len(text.split()), is_last=True)
        if with_words:
            timeline.add_words(phrase, timed(text))
    return timeline


@pytest.mark.parametrize(
    ("played_ms", "heard"),
    [
        (-5, ""),
        (0, ""),
        (199, ""),
        (200, "We"),
        (399.9, "We"),
        (400, "We have"),
        (600, "We have Tuesday,"),
        (999, "We have Tuesday, at ten,"),
        (1000, "We have Tuesday, at ten, too."),
        (1200, "We have Tuesday, at ten, too. Which"),
        (1600, "We have Tuesday, at ten, too. Which suits you?"),
        (99_999, "We have Tuesday, at ten, too. Which suits you?"),
    ],
)
def test_a_word_counts_once_all_of_it_was_played(played_ms: float, heard: str) -> None:
    timeline = Timeline()
    first = timeline.add_phrase("We have Tuesday, at ten, too.")
    second = timeline.add_phrase("Which suits you?")
    timeline.add_words(
        first, [TimedWord(200, 2), TimedWord(400, 7), TimedWord(600, 16), TimedWord(800, 24), TimedWord(1000, 29)]
    )
    timeline.add_audio(first, 1000, is_last=True)
    timeline.add_audio(second, 600, is_last=True)
    timeline.add_words(second, timed("Which suits you?"))
    assert timeline.heard_text(played_ms) == heard


def test_the_text_and_the_audio_of_all_phrases() -> None:
    timeline = spoken("One two.", "Three.")
    assert (timeline.text, timeline.phrase_count, timeline.audio_ms) == ("One two. Three.", 2, 600)


def test_each_phrase_is_told_apart() -> None:
    timeline = spoken("One two.", "Three four.", "Five.")
    assert timeline.heard(700) == ["One two.", "Three"]


def test_word_timings_count_code_points_and_so_may_any_script() -> None:
    text = "Ça va? 你好 👋🏽 naïve."
    timeline = spoken(text)
    assert timeline.heard_text(2 * WORD_MS) == "Ça va?"
    assert timeline.heard_text(3 * WORD_MS) == "Ça va? 你好"
    assert timeline.heard_text(4 * WORD_MS) == "Ça va? 你好 👋🏽"
    assert timeline.heard_text(5 * WORD_MS) == text


def test_a_pause_after_the_last_word_is_part_of_the_phrase() -> None:
    timeline = Timeline()
    phrase = timeline.add_phrase("One two.")
    timeline.add_words(phrase, timed("One two."))
    timeline.add_audio(phrase, 700, is_last=True)
    timeline.add_audio(timeline.add_phrase("Three."), 200, is_last=True)
    assert timeline.heard_text(600) == "One two."
    assert timeline.heard_text(899) == "One two."
    assert timeline.heard_text(900) == "One two. Three."


def test_timings_that_came_before_all_of_the_audio_are_used() -> None:
    timeline = Timeline()
    phrase = timeline.add_phrase("One two three.")
    timeline.add_words(phrase, timed("One two three."))
    timeline.add_audio(phrase, 450)
    assert timeline.heard_text(450) == "One two"


def test_a_voice_without_word_timings_is_taken_to_speak_evenly() -> None:
    timeline = spoken("One three seven.", with_words=False)
    heard = [timeline.heard_text(played_ms) for played_ms in (0, 60, 290, 400, 590, 600)]
    assert heard == ["", "", "One", "One three", "One three", "One three seven."]


def test_without_timings_a_phrase_of_which_audio_is_still_to_come_is_not_all_heard() -> None:
    timeline = Timeline()
    phrase = timeline.add_phrase("We can offer you a table at ten or another one at eleven.")
    timeline.add_audio(phrase, 500)
    heard = timeline.heard_text(500)
    assert timeline.text.startswith(heard)
    assert len(heard) < len(timeline.text) / 2  # half a second is not four


def test_a_phrase_without_audio_was_not_heard() -> None:
    timeline = spoken("One two.")
    timeline.add_phrase("Three.")
    assert timeline.heard_text(5000) == "One two."


def test_phrases_that_are_not_known_are_ignored() -> None:
    timeline = spoken("One.")
    timeline.add_audio(5, 100, is_last=True)
    timeline.add_words(5, [TimedWord(1, 1)])
    assert (timeline.text, timeline.audio_ms, timeline.heard_text(1000)) == ("One.", 200, "One.")


def test_nothing_said_is_nothing_heard() -> None:
    assert (Timeline().heard(100), Timeline().heard_text(100), Timeline().text) == ([], "", "")


WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
PHRASES = st.lists(st.lists(st.tuples(WORDS, st.integers(1, 400)), min_size=1, max_size=8), max_size=5)


@given(PHRASES, st.floats(-100, 15_000))
def test_heard_is_what_a_naive_count_of_words_says(phrases: list[list[tuple[str, int]]], played_ms: float) -> None:
    timeline = Timeline()
    naive: list[str] = []
    now_ms = 0
    for words in phrases:
        text = " ".join(word for word, _ in words)
        phrase = timeline.add_phrase(text)
        timings = []
        place = end_ms = 0
        for word, duration_ms in words:
            end_ms += duration_ms
            timings.append(TimedWord(end_ms, place + len(word)))
            place += len(word) + 1
            if now_ms + end_ms <= played_ms:
                naive.append(word)
        now_ms += end_ms
        timeline.add_words(phrase, timings)
        timeline.add_audio(phrase, end_ms / 2)
        timeline.add_audio(phrase, end_ms / 2, is_last=True)
    assert timeline.heard_text(played_ms) == " ".join(naive)


@given(PHRASES, st.booleans(), st.lists(st.floats(0, 10_000), min_size=2, max_size=2))
def test_what_is_heard_only_grows_and_is_always_a_beginning_of_whole_words(
    phrases: list[list[tuple[str, int]]], is_complete: bool, moments_ms: list[float]
) -> None:
    timeline = Timeline()
    for number, words in enumerate(phrases, 1):  # rendered in order: only the last may still be on its way
        phrase = timeline.add_phrase(" ".join(word for word, _ in words))
        is_last = is_complete or number < len(phrases)
        timeline.add_audio(phrase, sum(duration_ms for _, duration_ms in words), is_last=is_last)
    earlier, later = (timeline.heard_text(played_ms) for played_ms in sorted(moments_ms))
    said = timeline.text.split()
    assert later.startswith(earlier)
    assert later.split() == said[: len(later.split())]


@pytest.mark.parametrize("with_words", [True, False])
@pytest.mark.parametrize(
    ("words", "heard"), [(2, "It costs"), (6, "It costs"), (7, "It costs $12.50"), (8, "It costs $12.50 in")]
)
def test_of_what_is_said_in_other_words_the_written_word_is_heard(words: int, heard: str, with_words: bool) -> None:
    said = normaliser("en").say("It costs $12.50 in all.")
    timeline = Timeline()
    phrase = timeline.add_phrase(said)
    timeline.add_audio(phrase, 10 * WORD_MS)
    if with_words:
        timeline.add_words(phrase, timed(said.text))
        assert timeline.heard_text(words * WORD_MS) == heard
    assert timeline.text == "It costs $12.50 in all."
    assert "It costs $12.50 in all.".startswith(timeline.heard_text(words * WORD_MS))
    assert not timeline.heard_text(words * WORD_MS).endswith(("$", "$1", "$12", "$12."))


def test_what_sounds_is_told_as_it_is_said() -> None:
    timeline = Timeline()
    for text in ("It costs $12.50 in all.", "Shall I book it?"):
        said = normaliser("en").say(text)
        phrase = timeline.add_phrase(said)
        timeline.add_audio(phrase, WORD_MS * len(said.text.split()), is_last=True)
        timeline.add_words(phrase, timed(said.text))
    words = [
        word
        for phrase in ("It costs $12.50 in all.", "Shall I book it?")
        for word in normaliser("en").say(phrase).text.split()
    ]
    assert "twelve" in words
    for first in range(len(words)):
        for last in range(first, len(words) + 1):
            assert timeline.said_between(first * WORD_MS, last * WORD_MS).split() == words[first:last]


def test_what_sounds_without_timings_goes_by_an_even_pace() -> None:
    timeline = spoken("one two three four", with_words=False)
    assert timeline.said_between(0, 10_000) == "one two three four"
    assert timeline.said_between(2 * WORD_MS, 10_000).split()[-1] == "four"
    assert timeline.said_between(-500, 0) == ""
