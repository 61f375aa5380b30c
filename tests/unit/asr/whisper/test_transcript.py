"""What of successive hypotheses is kept."""

from __future__ import annotations

import pytest

from services.asr.engines.whisper.transcript import LONG_MS, Transcript, written
from tests.unit.asr.whisper.oracle import word, words

pytestmark = pytest.mark.unit


def test_nothing_is_kept_of_one_hypothesis() -> None:
    transcript = Transcript()
    transcript.take(words("book a table"), 1000)
    assert transcript.kept == []
    assert written(transcript.words) == "book a table"


def test_two_hypotheses_keep_what_they_agree_on_but_not_the_newest_word() -> None:
    transcript = Transcript()
    transcript.take(words("book a tape"), 1000)
    transcript.take(words("book a table"), 1300)
    assert written(transcript.kept) == "book a"
    transcript.take(words("for two"), 1600)  # what follows the kept words
    assert written(transcript.words) == "book a for two"
    transcript.take(words("for two"), 1900)
    assert written(transcript.kept) == "book a for"


def test_case_and_punctuation_do_not_stand_against_agreement_and_the_newer_is_kept() -> None:
    transcript = Transcript()
    transcript.take(words("Yes. tomorrow at"), 1000)
    transcript.take(words("yes, tomorrow at"), 1300)
    assert written(transcript.kept) == "yes, tomorrow"


def test_the_same_audio_twice_is_no_agreement() -> None:
    transcript = Transcript()
    transcript.take(words("book a table"), 1000)
    transcript.take(words("book a table"), 1100)
    assert transcript.kept == []
    transcript.take(words("book a table"), 1160)  # against the first
    assert written(transcript.kept) == "book a"


def test_words_never_go_back_in_time() -> None:
    transcript = Transcript()
    transcript.take([word(" book", 100, 400), word(" a", 300, 350), word(" table", 380, 600)], 1000)
    edges = [edge for one in transcript.words for edge in (one.start_ms, one.end_ms)]
    assert edges == sorted(edges)
    transcript.settle()
    transcript.take([word(" now", 200, 300)], 1500)
    assert transcript.words[-1].start_ms == transcript.words[-2].end_ms


def test_settling_before_a_time_leaves_what_ends_later() -> None:
    transcript = Transcript()
    transcript.take(words("one two three four"), 1500)
    transcript.settle(700)
    assert (written(transcript.kept), written(transcript.tail)) == ("one two", "three four")


def test_a_long_prefix_is_cut_at_its_widest_gap_and_the_newest_words_stay() -> None:
    transcript = Transcript()
    said = [*words("i would like to book"), *words("a table for two on monday", 2400)]
    transcript.take(said, 4700)
    transcript.settle()
    assert transcript.committed[-1].end_ms > LONG_MS
    borders = transcript.cut()
    assert borders is not None
    assert [one.text for one in borders] == [" book", " a"]
    assert written(transcript.past) == "i would like to book"
    assert written(transcript.committed) == "a table for two on monday"
    assert transcript.cut() is None


def test_a_short_prefix_is_not_cut() -> None:
    transcript = Transcript()
    transcript.take(words("i would like to book"), 2000)
    transcript.settle()
    assert transcript.cut() is None


@pytest.mark.parametrize(
    ("with_punctuation", "text"),
    [(True, "hello, maria's “10:30” call-back... ok?"), (False, "hello maria's 10:30 call-back ok")],
)
def test_text_is_lower_case_with_or_without_punctuation(with_punctuation: bool, text: str) -> None:
    said = words("Hello, Maria's “10:30” call-back... OK?")
    assert written(said, with_punctuation=with_punctuation) == text


def test_a_word_of_punctuation_alone_vanishes() -> None:
    assert written(words("yes - please !"), with_punctuation=False) == "yes please"
