"""Where a turn's time went: hops lie end to end and add up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.latency import HOPS, MARKS, Marks

pytestmark = pytest.mark.unit


def marked(speech_end_s: float | None, **at_s: float) -> Marks:
    marks = Marks(speech_end_s=speech_end_s)
    for name, moment_s in at_s.items():
        marks.mark(name, moment_s)
    return marks


def test_the_hops_of_a_turn() -> None:
    marks = marked(10.0, turn_over=10.2, committed=10.21, token=10.25, phrase_sent=10.3, audio=10.32, played=10.33)
    marks.server("first_token", 25_000)
    hops = marks.hops()
    assert [name for name, *_ in hops] == list(HOPS)
    assert [round(duration_ms) for _, duration_ms, _ in hops] == [200, 10, 40, 50, 20, 10]
    assert [server_ms for *_, server_ms in hops] == [0, 0, 25, 0, 0, 0]
    assert round(marks.response_ms) == 330


def test_only_the_first_of_each_counts() -> None:
    marks = marked(10.0, committed=10.5, token=11.0)
    marks.mark("token", 12.0)
    marks.server("first_token", 1000)
    marks.server("first_token", 9000)
    assert marks.hops() == [("transcript", 500.0, 0.0), ("first_token", 500.0, 1.0)]


def test_a_mark_without_a_time_is_now() -> None:
    marks = Marks(speech_end_s=0.0)
    marks.mark("turn_over")
    marks.mark("played")
    assert marks.response_ms > 0


def test_while_the_end_of_speech_or_the_audio_is_not_known_there_is_no_response_time() -> None:
    assert Marks().hops() == []
    assert Marks().response_ms == 0
    assert marked(None, committed=5.0, played=6.0).response_ms == 0
    assert marked(5.0, committed=6.0).response_ms == 0


def test_without_an_end_of_speech_the_hops_begin_at_the_first_mark() -> None:
    """Typed text has no end of speech."""
    hops = marked(None, committed=5.0, token=5.5, played=6.0).hops()
    assert hops == [("first_token", 500.0, 0.0), ("playback", 500.0, 0.0)]


MOMENTS = st.lists(st.floats(0, 5), min_size=len(MARKS), max_size=len(MARKS))


@given(st.floats(0, 1000), MOMENTS, st.sets(st.sampled_from([name for name in MARKS[:-1] if name != "committed"])))
def test_hops_add_up_to_the_response_time(speech_end_s: float, gaps_s: list[float], missing: set[str]) -> None:
    marks = Marks(speech_end_s=speech_end_s)
    now_s = speech_end_s
    for name, gap_s in zip(MARKS, gaps_s, strict=True):
        now_s += gap_s
        if name not in missing:
            marks.mark(name, now_s)
    hops = marks.hops()
    assert [name for name, *_ in hops] == [hop for hop, name in zip(HOPS, MARKS, strict=True) if name not in missing]
    assert sum(duration_ms for _, duration_ms, _ in hops) == pytest.approx(marks.response_ms, abs=1e-6)


@given(st.one_of(st.none(), st.floats(0, 10)), st.dictionaries(st.sampled_from(MARKS), st.floats(0, 10)))
def test_no_hop_is_negative_whatever_the_order_of_the_marks(speech_end_s: float | None, at_s: dict[str, float]) -> None:
    """The end of speech is reckoned back from the audio: a mark may lie before it, or before the mark it follows."""
    marks = marked(speech_end_s, **at_s)
    hops = marks.hops()
    assert all(duration_ms >= 0 for _, duration_ms, _ in hops)
    if (
        speech_end_s is not None
        and {"committed", "played"} <= set(at_s)
        and at_s["played"] == max([speech_end_s, *at_s.values()])
    ):
        assert sum(duration_ms for _, duration_ms, _ in hops) == pytest.approx(marks.response_ms, abs=1e-6)
