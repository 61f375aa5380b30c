"""Where a turn's time went: lines lie end to end, none is negative, and they add up."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common import spans
from services.orchestrator.latency import MARKS, Exchange, Line, Marks, RoundTrip

pytestmark = pytest.mark.unit

WHOLE = {
    "stopped": 10.2,
    "turn_over": 10.25,
    "final": 10.3,
    "committed": 10.31,
    "asked": 10.32,
    "token": 10.4,
    "phrase_sent": 10.45,
    "audio": 10.5,
    "played": 10.51,
}


def timing(received_to_sent_us: int = 0, queue_us: int = 0, engine_us: int = 0) -> SimpleNamespace:
    return SimpleNamespace(received_to_sent_us=received_to_sent_us, queue_us=queue_us, engine_us=engine_us)


def marked(arrived_s: float | None = 10.0, capture_ms: float = 0.0, **at_s: float) -> Marks:
    marks = Marks(arrived_s, capture_ms)
    for name, moment_s in at_s.items():
        marks.mark(name, moment_s)
    return marks


def test_what_was_done_on_a_guess_takes_no_time_of_the_turn() -> None:
    turn = marked(stopped=10.2, turn_over=10.4, committed=10.41)
    guessed = marked(None, asked=10.21, token=10.3, phrase_sent=10.31, audio=10.45)
    guessed.join(turn)
    guessed.mark("played", 10.46)
    took_ms = {line.name: round(line.duration_ms) for line in guessed.lines(None)}
    assert took_ms[spans.TURN_DECISION] == 200
    assert took_ms[spans.PROMPT_BUILDING] == took_ms[spans.LLM_FIRST_TOKEN] == took_ms[spans.PHRASE_WAIT] == 0
    assert took_ms[spans.TTS_FIRST_AUDIO] == 40
    assert sum(took_ms.values()) == round(guessed.response_ms(None)) == 460


def told(lines: list[Line]) -> dict[str, int]:
    return {line.name: round(line.duration_ms) for line in lines}


def test_a_whole_turn_has_every_line_of_the_budget_in_order() -> None:
    marks = marked(capture_ms=15, **WHOLE)
    marks.exchange(spans.LLM_FIRST_TOKEN, timing(70_000, 20_000, 50_000), 10.32, 10.4)
    marks.exchange(spans.TTS_FIRST_AUDIO, timing(45_000, 10_000, 30_000), 10.45, 10.5)
    lines = marks.lines(round_trip_ms=40)
    assert told(lines) == {
        "capture": 15, "transit_in": 20, "vad_hold": 200, "turn_decision": 50, "asr_finalization": 50, "commit": 10,
        "prompt_building": 10, "llm_queue": 20, "llm_first_token": 60, "phrase_wait": 50, "tts_queue": 10,
        "tts_first_audio": 40, "playback_lead": 10, "transit_out": 20,
    }  # fmt: skip
    assert [line.name for line in lines] == [name for name in spans.LINE_NAMES if name != spans.MIN_GAP]
    assert lines[0].begin_s == pytest.approx(9.965)
    assert marks.response_ms(40) == pytest.approx(15 + 20 + 510 + 20)
    assert all(line.is_known for line in lines)


def test_every_line_of_the_registry_is_made_here() -> None:
    made = {spans.CAPTURE, spans.TRANSIT_IN, spans.LLM_QUEUE, spans.TTS_QUEUE, spans.TRANSIT_OUT, *MARKS.values()}
    assert made == set(spans.LINE_NAMES)


def test_where_the_caller_acknowledges_nothing_the_transits_are_not_known_and_count_as_nothing() -> None:
    lines = {line.name: line for line in marked(**WHOLE).lines(None)}
    for name in (spans.TRANSIT_IN, spans.TRANSIT_OUT):
        assert (lines[name].duration_ms, lines[name].is_known) == (0, False)
    assert all(line.is_known for name, line in lines.items() if not name.startswith("transit"))


def test_a_transcript_that_was_final_before_the_turn_was_over_took_no_time_of_the_turn() -> None:
    lines = told(marked(**(WHOLE | {"final": 10.1})).lines(None))
    assert lines["asr_finalization"] == 0
    assert lines["commit"] == 60


def test_a_server_that_queued_for_longer_than_the_line_lasted_has_all_of_it() -> None:
    marks = marked(**WHOLE)
    marks.exchange(spans.LLM_FIRST_TOKEN, timing(900_000, 900_000), 10.32, 10.4)
    lines = told(marks.lines(None))
    assert (lines["llm_queue"], lines["llm_first_token"]) == (80, 0)


def test_only_the_first_of_each_counts() -> None:
    marks = marked(committed=10.5, token=11.0)
    marks.mark("token", 12.0)
    marks.exchange(spans.LLM_FIRST_TOKEN, timing(1000), 10.5, 11.0)
    marks.exchange(spans.LLM_FIRST_TOKEN, timing(9000), 10.5, 11.0)
    lines = marks.lines(None)
    assert told(lines) == {"capture": 0, "transit_in": 0, "commit": 500, "llm_queue": 0, "llm_first_token": 500}
    assert lines[-1].exchange is not None
    assert lines[-1].exchange.server_ms == 1


def test_a_mark_without_a_time_is_now() -> None:
    marks = Marks(arrived_s=0.0)
    marks.mark("turn_over")
    marks.mark("played")
    assert marks.response_ms(None) > 0


def test_while_the_end_of_speech_or_the_audio_is_not_known_there_is_no_response_time() -> None:
    assert Marks().lines(10) == []
    assert Marks().response_ms(10) == 0
    assert marked(None, committed=5.0, played=6.0).response_ms(10) == 0
    assert marked(5.0, committed=6.0).response_ms(10) == 0


def test_without_an_end_of_speech_the_lines_begin_at_the_first_mark() -> None:
    """Typed text has no end of speech."""
    lines = marked(None, committed=5.0, token=5.5, played=6.0).lines(20)
    assert told(lines) == {"llm_queue": 0, "llm_first_token": 500, "playback_lead": 500, "transit_out": 10}


def test_the_network_s_share_is_what_the_server_does_not_account_for_and_never_negative() -> None:
    exchange = Exchange.of(timing(30_000, 5_000, 20_000), 1.0, 1.05)
    assert exchange == pytest.approx((50.0, 30.0, 5.0, 20.0))
    assert exchange.network_ms == pytest.approx(20)
    assert Exchange.of(timing(60_000), 1.0, 1.05).network_ms == 0
    assert Exchange.of(timing(), 1.05, 1.0).client_ms == 0


# --- the round trip ---------------------------------------------------------------------------------------------------


def test_the_round_trip_is_the_shortest_of_the_newest_less_what_was_played_meanwhile() -> None:
    trip = RoundTrip()
    assert trip.ms is None
    trip.sent(1, 10.0)
    trip.acknowledged(1, 20, 10.06)
    trip.acknowledged(1, 220, 19.0)
    assert trip.ms == pytest.approx(40)
    trip.sent(2, 20.0)
    trip.acknowledged(1, 0, 20.001)  # of another turn
    trip.acknowledged(2, 200, 20.23)
    assert trip.ms == pytest.approx(30)
    for epoch in range(3, 11):
        trip.sent(epoch, 30.0)
        trip.acknowledged(epoch, 0, 30.08)
    assert trip.ms == pytest.approx(80)


def test_a_turn_that_was_paused_says_nothing_of_the_round_trip() -> None:
    trip = RoundTrip()
    trip.sent(1, 10.0)
    trip.forget()
    trip.acknowledged(1, 0, 12.0)
    assert trip.ms is None


def test_a_caller_that_claims_to_have_played_more_than_was_possible_has_a_round_trip_of_nothing() -> None:
    trip = RoundTrip()
    trip.sent(1, 10.0)
    trip.acknowledged(1, 5000, 10.01)
    assert trip.ms == 0


# --- it sums ----------------------------------------------------------------------------------------------------------

MOMENT = st.floats(0, 1000)
TIMINGS = st.builds(timing, *[st.integers(0, 5_000_000)] * 3)
EXCHANGES = st.dictionaries(
    st.sampled_from(spans.LINE_NAMES), st.builds(Exchange.of, TIMINGS, MOMENT, MOMENT), max_size=5
)


@given(
    arrived_s=st.none() | MOMENT,
    capture_ms=st.floats(0, 1000),
    at_s=st.dictionaries(st.sampled_from(list(MARKS)), MOMENT),
    exchanges=EXCHANGES,
    round_trip_ms=st.none() | st.floats(0, 3000),
)
def test_whatever_is_missing_or_out_of_order_the_lines_lie_end_to_end_and_add_up(
    arrived_s: float | None,
    capture_ms: float,
    at_s: dict[str, float],
    exchanges: dict[str, Exchange],
    round_trip_ms: float | None,
) -> None:
    marks = marked(arrived_s, capture_ms, **at_s)
    marks.exchanges = exchanges
    lines = marks.lines(round_trip_ms)
    names = [line.name for line in lines]
    assert names == [name for name in spans.LINE_NAMES if name in names]
    assert all(line.duration_ms >= 0 for line in lines)
    assert all(before.end_s == line.begin_s for before, line in pairwise(lines))
    total_ms = sum(line.duration_ms for line in lines)
    assert {name for mark, name in MARKS.items() if mark in at_s} - set(names) <= {
        next((MARKS[mark] for mark in MARKS if mark in at_s), "")
    }
    if arrived_s is None or "played" not in at_s:
        assert marks.response_ms(round_trip_ms) == 0
        return
    assert total_ms == pytest.approx(marks.response_ms(round_trip_ms), abs=2)
    heard_s = max(at_s["played"], arrived_s)
    spoken_s = arrived_s - capture_ms / 1000
    assert total_ms == pytest.approx((heard_s - spoken_s) * 1000 + (round_trip_ms or 0), abs=2)
