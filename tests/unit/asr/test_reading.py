"""Decisions over readings: does the grammar fit, and where does a key term stand."""

from __future__ import annotations

import math

import pytest

from services.asr.engines.sphinx.reading import (
    SCORE_SCALE,
    HeardWord,
    Reading,
    Segment,
    Term,
    confidence_of,
    favour_terms,
    fits_against,
    fits_alone,
    read_segments,
)

pytestmark = pytest.mark.unit


def words(text: str, word_ms: int = 300) -> tuple[HeardWord, ...]:
    return tuple(HeardWord(word, n * word_ms, (n + 1) * word_ms, 0.9) for n, word in enumerate(text.split()))


def reading(text: str, score: float, speech_ms: int = 1500, total: float | None = None) -> Reading:
    return Reading(words(text), score, score if total is None else total, speech_ms)


def test_silence_noise_and_marks_are_no_words() -> None:
    score = -30 / SCORE_SCALE
    heard = read_segments(
        [
            Segment("<s>", 0, 9, 10 * score),
            Segment("hello(2)", 10, 49, 40 * score),
            Segment("[NOISE]", 50, 59, 10 * score),
            Segment("++UH++", 60, 69, 10 * score),
            Segment("(NULL)", 69, 69, 0),
            Segment("there", 70, 99, 30 * 2 * score),
            Segment("</s>", 100, 104, 5 * score),
        ],
        lambda frame: frame * 10,
        speech_ms=700,
    )
    assert [(word.text, word.start_ms, word.end_ms) for word in heard.words] == [
        ("hello", 100, 500),
        ("there", 700, 1000),
    ]
    assert math.isclose(heard.word_score, -30 * (40 + 60) / 70)
    assert heard.words[0].confidence > heard.words[1].confidence


def test_confidence_falls_with_the_score() -> None:
    scores = [confidence_of(score) for score in (-20, -38, -55, -70, -100)]
    assert scores == sorted(scores, reverse=True)
    assert math.isclose(confidence_of(-55), 0.5)
    assert Reading().confidence == 0


def test_a_good_score_fits_without_asking_and_a_doubtful_one_asks() -> None:
    assert fits_alone(reading("how much is a cleaning", -28)) is True
    assert fits_alone(reading("how much is a cleaning", -45)) is None


def test_short_speech_fits_unless_hopeless() -> None:
    assert fits_alone(reading("hello", -62, speech_ms=600)) is True
    assert fits_alone(reading("hello", -95, speech_ms=600)) is False


def test_a_good_score_over_a_part_of_the_speech_is_doubtful() -> None:
    assert fits_alone(reading("yes please", -28, speech_ms=5000)) is None


def test_the_general_model_convicts_a_grammar_that_explains_worse_or_swallows_words() -> None:
    grammar = reading("i am thomas gomez", -43)
    assert fits_against(grammar, reading("i am home as go", -41))
    assert not fits_against(grammar, reading("i am home as go", -30))
    assert not fits_against(grammar, reading("and so my fellow americans ask not what", -43))


def test_without_the_general_model_the_score_alone_decides() -> None:
    assert fits_against(reading("two p m", -45), None)
    assert not fits_against(reading("two p m", -60), None)


PHONES = {
    "in": "IH N", "visa": "V IY Z AH", "line": "L AY N", "i": "AY", "want": "W AA N T", "the": "DH AH",
    "will": "W IH L", "oh": "OW", "dental": "D EH N T AH L", "clinic": "K L IH N IH K",
}  # fmt: skip


def phones(spoken: str) -> tuple[str, ...]:
    return tuple(spoken.split())


INVISALIGN = Term(("invisalign",), phones("IH N V IH Z AH L AY N"), 0.25)
WILLOW_DENTAL = Term(("willow", "dental"), phones("W IH L OW D EH N T AH L"), 0.25)


def favoured(text: str, *terms: Term) -> str:
    heard = favour_terms(words(text), terms, lambda word: phones(PHONES[word]))
    return " ".join(word.text for word in heard)


def test_what_sounds_like_a_key_term_becomes_it() -> None:
    assert favoured("i want in visa line", INVISALIGN) == "i want invisalign"
    assert favoured("the will oh dental clinic", INVISALIGN, WILLOW_DENTAL) == "the willow dental clinic"
    assert favoured("i want the clinic", INVISALIGN, WILLOW_DENTAL) == "i want the clinic"


def test_a_key_term_takes_the_time_of_what_it_replaces() -> None:
    heard = favour_terms(words("will oh dental"), (WILLOW_DENTAL,), lambda word: phones(PHONES[word]))
    assert [(word.text, word.start_ms, word.end_ms) for word in heard] == [("willow", 0, 450), ("dental", 450, 900)]


def test_no_tolerance_takes_the_same_sounds_only() -> None:
    exact = Term(WILLOW_DENTAL.words, WILLOW_DENTAL.phones, 0.0)
    assert favoured("will oh dental", exact) == "willow dental"
    assert favoured("in visa line", Term(INVISALIGN.words, INVISALIGN.phones, 0.0)) == "in visa line"
