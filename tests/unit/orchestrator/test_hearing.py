"""The caller's audio on its way: to the turn detector by its frames, to the recogniser around speech only."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voice.asr.v1 import asr_pb2
from voice.turn.v1 import turn_pb2

from services.common.audio import SAMPLE_RATES_HZ
from services.orchestrator.hearing import (
    ASR_BATCH_MS,
    FORGET_EVERY_MS,
    KEEP_MS,
    MAX_UTTERANCE_MS,
    PRE_ROLL_MS,
    REPLAY_MS,
    hypothesis_update,
)
from tests.unit.orchestrator.hearing_line import Line, pcm_of, requests

pytestmark = pytest.mark.unit

MAX_MESSAGE_BYTES = 1 << 20
"""What every service accepts by default, services/common/settings.py."""


# --- to the recogniser ------------------------------------------------------------------------------------------------


def test_without_an_utterance_the_recogniser_gets_nothing() -> None:
    line = Line()
    line.say(5000)
    assert line.asr == []


def test_an_utterance_begins_with_a_reset_and_the_audio_before_its_onset() -> None:
    line = Line()
    line.say(1000)
    line.hearing.open_utterance(3, 900)
    reset, backlog = line.heard()
    assert reset.reset.turn_epoch == 3
    assert not reset.audio
    assert b"".join(backlog.audio) == line.ms(900 - PRE_ROLL_MS - 10, 1000)  # whole chunks of 20 ms
    assert backlog.WhichOneof("control") is None


def test_an_utterance_at_the_very_start_begins_with_the_call() -> None:
    line = Line()
    line.say(100)
    line.hearing.open_utterance(1, 60)
    assert line.asr_pcm() == line.said


def test_audio_of_the_utterance_goes_in_batches() -> None:
    line = Line()
    line.say(400)
    line.hearing.open_utterance(1, 400)
    line.asr.clear()
    line.say(500)
    sizes = [line.format.duration_ms(len(b"".join(request.audio))) for request in line.heard()]
    assert sizes == [ASR_BATCH_MS] * 5
    assert line.asr_pcm() == line.ms(400, 900)


def test_finalize_takes_along_what_is_pending() -> None:
    line = Line()
    line.say(400)
    line.hearing.open_utterance(1, 400)
    line.say(140)
    line.asr.clear()
    line.hearing.finalize(7)
    kind, raw = line.asr[0]
    request = asr_pb2.RecognizeRequest.FromString(raw)
    assert (kind, len(line.asr), request.finalize.finalize_id) == ("control", 1, 7)
    assert b"".join(request.audio) == line.ms(500, 540)


def test_speech_after_a_finalize_goes_on_without_a_gap() -> None:
    line = Line()
    line.hearing.open_utterance(1, 0)
    line.say(250)
    line.hearing.finalize(1)
    line.say(250)
    line.hearing.finalize(2)
    assert line.asr_pcm() == line.said
    assert [request.finalize.finalize_id for request in line.heard() if request.HasField("finalize")] == [1, 2]


def test_after_the_utterance_the_recogniser_gets_nothing_more() -> None:
    line = Line()
    line.say(400)
    line.hearing.open_utterance(1, 400)
    line.say(130)
    line.hearing.close_utterance()
    line.asr.clear()
    line.say(1000)
    assert line.asr == []


def test_the_next_utterance_takes_nothing_of_the_last() -> None:
    line = Line()
    line.say(400)
    line.hearing.open_utterance(1, 400)
    line.say(600)
    line.hearing.close_utterance()
    line.say(100)
    line.asr.clear()
    line.hearing.open_utterance(2, 1060)
    assert line.asr_pcm() == line.ms(1000, 1100)


def test_an_utterance_without_a_known_onset_gets_what_there_is() -> None:
    line = Line()
    line.say(5000)
    line.hearing.open_utterance(2, 0)
    heard = line.asr_pcm()
    assert line.said.endswith(heard)
    assert KEEP_MS <= line.format.duration_ms(len(heard)) <= KEEP_MS + FORGET_EVERY_MS


@settings(max_examples=50, deadline=None)
@given(st.data(), st.sampled_from(SAMPLE_RATES_HZ), st.sampled_from([10, 20, 40, 100]))
def test_what_the_recogniser_gets_of_an_utterance_is_one_stretch_of_the_call(
    data: st.DataObject, rate_hz: int, chunk_ms: int
) -> None:
    line = Line(rate_hz)
    line.say(data.draw(st.integers(0, 10)) * 100, chunk_ms)
    onset_ms = data.draw(st.integers(0, round(line.format.duration_ms(len(line.said)))))
    line.hearing.open_utterance(1, onset_ms)
    for number in range(1, data.draw(st.integers(1, 4))):
        line.say(data.draw(st.integers(1, 5)) * 100, chunk_ms)
        line.hearing.finalize(number)
    line.say(100, chunk_ms)
    line.hearing.finalize(9)
    got = line.asr_pcm()
    assert line.said.endswith(got)
    begins_ms = line.format.duration_ms(len(line.said) - len(got))
    assert begins_ms <= max(0, onset_ms - PRE_ROLL_MS) + 1
    assert begins_ms >= onset_ms - PRE_ROLL_MS - chunk_ms - 1 or begins_ms == 0


# --- a new stream -----------------------------------------------------------------------------------------------------


def test_a_new_recogniser_is_told_the_utterance_whole_and_what_it_was_asked() -> None:
    line = Line()
    line.say(1000)
    line.hearing.open_utterance(4, 900)
    line.say(260)
    line.hearing.finalize(6)
    line.say(40)
    line.asr.clear()
    reset, whole = requests(line.hearing.replay_asr())
    assert reset.reset.turn_epoch == 4
    assert b"".join(whole.audio) == line.ms(640, 1300)
    assert whole.finalize.finalize_id == 6
    line.say(60)
    assert line.asr == []  # what was pending before went along: only what is new is to come
    line.say(40)
    assert line.asr_pcm() == line.ms(1300, 1400)


def test_a_finalize_of_an_earlier_utterance_is_not_asked_again() -> None:
    line = Line()
    line.hearing.open_utterance(1, 0)
    line.say(200)
    line.hearing.finalize(1)
    line.hearing.close_utterance()
    line.hearing.open_utterance(2, 200)
    line.say(200)
    assert not any(request.HasField("finalize") for request in requests(line.hearing.replay_asr()))


def test_between_utterances_a_new_recogniser_is_told_nothing() -> None:
    line = Line()
    line.say(1000)
    assert list(line.hearing.replay_asr()) == []


def test_a_new_stream_is_never_told_an_empty_message() -> None:
    """Stages refuse one: and a stream that is refused is opened again, to the same end."""
    line = Line()
    line.hearing.open_utterance(1, 0)
    line.say(500)
    line.hearing.close_utterance()
    line.hearing.open_utterance(2, 500)
    assert all(line.hearing.replay_asr())
    assert all(line.hearing.replay_turn())
    assert requests(line.hearing.replay_asr())[0].reset.turn_epoch == 2


@pytest.mark.parametrize("rate_hz", SAMPLE_RATES_HZ)
def test_a_long_utterance_is_told_anew_within_what_stages_accept(rate_hz: int) -> None:
    """No message over the size limit; to the turn detector no more audio at once than AudioPace lets pass (10 s)."""
    line = Line(rate_hz)
    line.hearing.open_utterance(1, 0)
    line.say(30_000, chunk_ms=100)
    for_asr, for_turn = list(line.hearing.replay_asr()), list(line.hearing.replay_turn())
    assert all(len(raw) < MAX_MESSAGE_BYTES for raw in (*for_asr, *for_turn))
    assert pcm_of(for_asr) == line.said
    told = pcm_of(for_turn)
    assert line.said.endswith(told)
    assert REPLAY_MS <= line.format.duration_ms(len(told)) <= REPLAY_MS + 100 < 10_000


def test_a_new_turn_detector_is_told_the_open_utterance_and_counts_from_there() -> None:
    line = Line()
    line.say(2000)
    line.hearing.open_utterance(1, 1900)
    line.say(300)
    line.turn.clear()
    assert pcm_of(line.hearing.replay_turn()) == line.ms(1640, 2300)
    line.say(40)
    assert pcm_of(line.turn) == line.ms(2300, 2320)  # 660 ms were told: the 21st frame is whole at 672
    assert line.hearing.arrival_s(670) == pytest.approx(2.32)  # the new stream began 1640 ms into the call
    line.asr.clear()
    line.hearing.close_utterance()
    line.hearing.open_utterance(2, 690)
    assert line.asr_pcm() == b""  # nothing of what went to utterance 1
    line.say(100)
    assert line.asr_pcm() == line.ms(2340, 2440)


def test_a_new_turn_detector_without_an_utterance_counts_from_now() -> None:
    line = Line()
    line.say(2010, chunk_ms=10)
    line.turn.clear()
    assert list(line.hearing.replay_turn()) == []
    line.say(80)
    assert pcm_of(line.turn) == line.ms(2010, 2090)
    line.hearing.open_utterance(1, 30)
    assert line.asr_pcm().endswith(line.ms(2000, 2090))


@pytest.mark.parametrize("outage_ms", [300, 5000])
def test_a_new_turn_detector_is_told_what_no_stream_has_heard(outage_ms: int) -> None:
    line = Line()
    line.say(2000)
    line.hearing.turn_lost()
    line.say(outage_ms)
    line.hearing.turn_lost()  # still the same outage
    assert pcm_of(line.hearing.replay_turn()) == line.ms(2000, 2000 + outage_ms)
    assert list(line.hearing.replay_turn()) == []  # told once


def test_of_a_long_outage_a_new_turn_detector_is_told_the_end() -> None:
    line = Line()
    line.say(1000)
    line.hearing.turn_lost()
    line.say(20_000)
    told = pcm_of(line.hearing.replay_turn())
    assert line.said.endswith(told)
    assert line.format.duration_ms(len(told)) == pytest.approx(REPLAY_MS, abs=20)


# --- time and memory --------------------------------------------------------------------------------------------------


def test_when_a_sample_arrived() -> None:
    line = Line()
    line.say(1000)
    assert line.hearing.arrival_s(990) == pytest.approx(1.0)
    assert line.hearing.arrival_s(980) == pytest.approx(0.98)
    assert line.hearing.arrival_s(501) == pytest.approx(0.52)
    assert line.hearing.arrival_s(1001) is None  # has not arrived


def test_how_much_of_its_chunk_follows_a_sample() -> None:
    line = Line()
    line.say(960, chunk_ms=40)
    inside, at_its_end = line.hearing.arrival(930), line.hearing.arrival(960)
    assert inside is not None
    assert inside == pytest.approx((0.96, 30))
    assert at_its_end is not None
    assert at_its_end == pytest.approx((0.96, 0))
    assert line.hearing.arrival(961) is None


def test_when_a_forgotten_sample_arrived_is_not_known() -> None:
    line = Line()
    line.say(10_000)
    assert line.hearing.arrival_s(100) is None
    assert line.hearing.arrival_s(10_000 - KEEP_MS + 100) is not None


@pytest.mark.parametrize("is_open", [True, False])
def test_memory_is_bounded(is_open: bool) -> None:
    line = Line(8000)
    if is_open:
        line.hearing.open_utterance(1, 0)
    for _ in range(15):
        line.say(10_000, chunk_ms=100)
    kept_ms = 100 * len(line.hearing._chunks)
    assert kept_ms <= (MAX_UTTERANCE_MS if is_open else KEEP_MS) + FORGET_EVERY_MS + 100


def test_what_the_turn_detector_is_told_of_a_hypothesis() -> None:
    hypothesis = asr_pb2.Hypothesis(text="two", is_final=True, confidence=0.5, matches_grammar=True)
    update = turn_pb2.DetectRequest.FromString(hypothesis_update("table for two", hypothesis, 4, True)).hypothesis
    assert update == turn_pb2.HypothesisUpdate(
        text="table for two", is_final=True, confidence=0.5, turn_epoch=4, matches_grammar=True, has_grammar=True
    )
