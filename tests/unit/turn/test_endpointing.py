"""How long a pause may last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.expected import Expected
from services.turn.endpointing import Evidence, Plan, TurnRules, plan, reading_of
from services.turn.events import EndReason, Hypothesis
from services.turn.text import Reading

pytestmark = pytest.mark.unit

RULES = TurnRules()


def planned(audio: float | None, text: str | None = None, *, final: bool = False, pending: bool = False) -> Plan:
    hypothesis = None if text is None else Hypothesis(text, is_final=final)
    return plan(Evidence(audio, pending, hypothesis), RULES)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("what is your return policy", Reading.COMPLETE),
        ("sure", Reading.OPEN),
        ("anna at example", Reading.UNFINISHED),
    ],
)
def test_a_sentence_of_the_grammar_is_whole_though_it_is_not_what_was_asked_for(text: str, reading: Reading) -> None:
    hypothesis = Hypothesis(text, matches_grammar=True, has_grammar=True)
    assert reading_of(hypothesis, "en", Expected.EMAIL) is reading


def test_clearly_complete_in_audio_and_text_ends_after_the_shortest_delay() -> None:
    assert planned(0.95, "yes please") == Plan(0.95, 0.0, 200, EndReason.COMPLETE, is_whole=True)


@pytest.mark.parametrize(
    ("language", "text"), [("en", "oh one seven"), ("de", "null eins sieben"), ("fr", "zéro un"), ("es", "seis uno")]
)
def test_a_number_half_read_out_is_waited_for_though_the_grammar_takes_it(language: str, text: str) -> None:
    hypothesis = Hypothesis(text, matches_grammar=True, has_grammar=True)
    assert reading_of(hypothesis, language, Expected.PHONE_NUMBER) in (Reading.UNFINISHED, Reading.OPEN)


def test_a_sentence_of_the_grammar_reads_as_complete() -> None:
    hypothesis = Hypothesis("monday at ten", matches_grammar=True, has_grammar=True)
    assert plan(Evidence(0.95, False, hypothesis), RULES).delay_ms == 200


def test_clearly_incomplete_in_audio_and_text_holds_to_the_longest_delay() -> None:
    held = planned(0.02, "my name is")
    assert (held.delay_ms, held.reason) == (3000, EndReason.MAX_DELAY)


def test_an_unfinished_text_holds_a_turn_that_sounds_complete() -> None:
    assert planned(0.99, "my name is", final=True).delay_ms > 1000
    assert planned(0.99, "my name is").eager_ms > 0


def test_a_whole_text_ends_a_turn_that_sounds_incomplete_soon() -> None:
    ended = planned(0.02, "hello")
    assert 200 < ended.delay_ms <= 500
    assert ended.reason is EndReason.DELAY


def test_digits_being_read_out_hold_longer_than_words() -> None:
    assert planned(0.95, "five five five").delay_ms > planned(0.95, "monday at ten").delay_ms + 400


def test_unknown_text_is_waited_for_a_little() -> None:
    assert 200 < planned(0.95).delay_ms <= 350
    assert planned(0.95).eager_ms == 0


def test_unknown_text_that_sounds_incomplete_is_finalised_to_learn_it() -> None:
    assert planned(0.02).eager_ms <= 400


def test_pending_audio_is_waited_for_but_not_for_ever() -> None:
    pending = planned(None, "yes", pending=True)
    assert 200 < pending.delay_ms <= 350
    assert pending.eager_ms >= 150


def test_without_an_audio_model_text_decides() -> None:
    assert planned(None, "yes please").delay_ms < planned(None, "monday at ten").delay_ms
    assert planned(None, "monday at ten").delay_ms < planned(None, "my name is").delay_ms


@pytest.mark.parametrize(
    ("hypothesis", "reading"),
    [
        (Hypothesis("the a to", has_grammar=True, confidence=0.2), Reading.NEUTRAL),
        (Hypothesis("book an appointment", has_grammar=True, confidence=0.9), Reading.OPEN),
        (Hypothesis("book an appointment", has_grammar=True), Reading.NEUTRAL),
        (Hypothesis("book an appointment for", has_grammar=True, confidence=0.9), Reading.UNFINISHED),
        (Hypothesis("for", has_grammar=True, matches_grammar=True), Reading.COMPLETE),
        (Hypothesis("", has_grammar=True, matches_grammar=True), Reading.UNKNOWN),
        (None, Reading.UNKNOWN),
    ],
)
def test_the_grammar_and_the_confidence_have_a_say(hypothesis: Hypothesis | None, reading: Reading) -> None:
    assert reading_of(hypothesis, "en") is reading


TEXTS = st.sampled_from([None, "", "yes", "my name is", "monday at ten", "five five", "um", "thanks"])


@given(
    audio=st.none() | st.floats(0, 1),
    text=TEXTS,
    final=st.booleans(),
    pending=st.booleans(),
    shortest=st.integers(1, 3000),
    more=st.integers(0, 5000),
)
def test_the_agents_limits_hold_whatever_is_known(
    audio: float | None, text: str | None, final: bool, pending: bool, shortest: int, more: int
) -> None:
    rules = TurnRules(min_delay_ms=shortest, max_delay_ms=shortest + more)
    hypothesis = None if text is None else Hypothesis(text, is_final=final)
    found = plan(Evidence(audio, pending, hypothesis), rules)
    assert shortest <= found.delay_ms <= shortest + more
    assert found.eager_ms >= 0
    assert 0 <= found.probability <= 1


@given(lower=st.floats(0, 1), higher=st.floats(0, 1), text=TEXTS)
def test_the_surer_the_audio_the_shorter_the_delay(lower: float, higher: float, text: str | None) -> None:
    lower, higher = sorted((lower, higher))
    assert planned(higher, text).delay_ms <= planned(lower, text).delay_ms
