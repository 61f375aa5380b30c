"""Who calls, how, and what is noted of it."""

from __future__ import annotations

from itertools import islice

import pytest

from bench.crowd import JITTER_MS, Manners, lateness, visits
from bench.rhythm import FRAME_MS, Habits, Kind, rhythm
from bench.tally import Account, Tally

pytestmark = pytest.mark.unit

FRAMES = 6000
ENDINGS = (Kind.IN_SERIES, Kind.TRANSCRIPT_READY)


class TestBargeIns:
    """Frames of callers who speak over answers."""

    def frames(self, share: float) -> list[Kind]:
        return list(islice(rhythm(11, Habits(1600, barge_in_share=share)), FRAMES))

    def test_nobody_barges_in_who_is_not_meant_to(self) -> None:
        assert Kind.BARGE_IN not in self.frames(0.0)

    def test_every_answer_is_spoken_over_while_it_lasts(self) -> None:
        frames = self.frames(1.0)
        starts = [at for at, kind in enumerate(frames) if kind is Kind.BARGE_IN]
        endings = [at for at, kind in enumerate(frames) if kind in ENDINGS]
        assert len(starts) > 20
        for ending, start in zip(endings, starts, strict=False):
            assert 500 <= (start - ending) * FRAME_MS <= 1120
            assert frames[start + 1] is Kind.SPEECH

    def test_a_share_of_them(self) -> None:
        frames = self.frames(0.3)
        turns = sum(kind in ENDINGS for kind in frames)
        assert 0 < frames.count(Kind.BARGE_IN) < turns / 2

    def test_a_longer_silence_ends_every_turn_where_it_is_asked_for(self) -> None:
        frames = list(islice(rhythm(11, Habits(1600, end_frames=12)), FRAMES))
        for at, kind in enumerate(frames):
            if kind in ENDINGS:
                assert kind is Kind.TRANSCRIPT_READY
                assert frames[at - 12] is Kind.SPEECH
                assert set(frames[at - 11 : at]) == {Kind.SILENCE}


class TestVisits:
    """Calls of a caller who hangs up."""

    MANNERS = Manners(Habits(1600), hangs_up=True, lateness="bursts")

    def test_are_the_same_for_the_same_seed_only(self) -> None:
        def told(seed: int) -> list[tuple[list[Kind], bool, float]]:
            return [(list(v.frames), v.is_polite, v.rest_s) for v in islice(visits(seed, self.MANNERS), 4)]

        assert told(5) == told(5)
        assert told(5) != told(6)

    def test_last_a_while_and_differ_from_one_another(self) -> None:
        calls = [list(visit.frames) for visit in islice(visits(5, self.MANNERS), 6)]
        assert all(8 <= len(frames) * FRAME_MS / 1000 <= 25 for frames in calls)
        assert len({len(frames) for frames in calls}) > 1
        assert calls[0][:300] != calls[1][:300]

    def test_some_are_broken_off_and_some_ended(self) -> None:
        assert {visit.is_polite for visit in islice(visits(5, self.MANNERS), 20)} == {True, False}

    def test_a_caller_who_stays_makes_one_call_without_an_end(self) -> None:
        visit = next(visits(5, Manners(Habits(1600))))
        assert len(list(islice(visit.frames, FRAMES))) == FRAMES


class TestLateness:
    """How late packets are."""

    def test_none(self) -> None:
        assert set(islice(lateness(1, "none"), 100)) == {0.0}

    def test_jitter_is_less_than_a_frame(self) -> None:
        late = list(islice(lateness(1, "jitter"), 500))
        assert 0 <= min(late) < max(late) <= JITTER_MS < FRAME_MS

    def test_what_a_burst_held_back_comes_at_once_and_nothing_is_ever_early(self) -> None:
        late = list(islice(lateness(1, "bursts"), 3000))
        arrivals = [at * FRAME_MS + ms for at, ms in enumerate(late)]
        assert arrivals == sorted(arrivals)
        held = [arrival for arrival, ms in zip(arrivals, late, strict=True) if ms]
        assert 3 * len(set(held)) <= len(held)
        assert 60 <= max(late) <= 300

    def test_is_the_same_for_the_same_seed_only(self) -> None:
        one, again, other = (list(islice(lateness(seed, "bursts"), 1000)) for seed in (1, 1, 2))
        assert one == again
        assert one != other


class TestAccount:
    """What of a call goes into the tally."""

    def account(self) -> tuple[Tally, Account]:
        tally = Tally(is_steady=True)
        return tally, Account(tally)

    def test_a_turn_is_timed_to_the_first_audio_of_its_answer(self) -> None:
        tally, account = self.account()
        account.sends(Kind.SPEECH, 0.9)
        account.sends(Kind.IN_SERIES, 1.0)
        assert account.hears(1.25)
        assert not account.hears(1.5)
        assert tally.latency_ms == {"series": [250.0], "ready": []}

    def test_nothing_is_timed_before_the_steady_part(self) -> None:
        tally, account = self.account()
        tally.is_steady = False
        account.sends(Kind.IN_SERIES, 1.0)
        account.hears(1.25)
        assert tally.latency_ms["series"] == []

    def test_an_answer_that_never_came_is_counted_and_its_late_audio_is_no_answer_to_the_next(self) -> None:
        tally, account = self.account()
        account.sends(Kind.IN_SERIES, 1.0)
        account.sends(Kind.SPEECH, 4.0)
        account.sends(Kind.IN_SERIES, 6.0)
        account.hears(6.01)
        assert tally.unanswered == 1
        assert tally.latency_ms["series"] == []
        account.sends(Kind.IN_SERIES, 9.0)
        account.hears(9.1)
        assert tally.latency_ms["series"] == [pytest.approx(100.0)]

    def test_a_barge_in_is_timed_to_the_first_word_of_silence(self) -> None:
        tally, account = self.account()
        account.sends(Kind.TRANSCRIPT_READY, 1.0)
        account.hears(1.1)
        account.sends(Kind.BARGE_IN, 2.0)
        account.is_told_to_stop(2.02)
        account.is_told_to_stop(2.4)
        assert tally.barge_in_ms == [pytest.approx(20.0)]

    def test_a_barge_in_that_nobody_noticed_is_counted_and_spoils_the_next_timing(self) -> None:
        tally, account = self.account()
        account.sends(Kind.TRANSCRIPT_READY, 1.0)
        account.hears(1.1)
        account.sends(Kind.BARGE_IN, 2.0)
        account.sends(Kind.TRANSCRIPT_READY, 4.0)
        account.hears(4.001)
        assert (tally.unnoticed, tally.barge_in_ms) == (1, [])
        assert tally.latency_ms["ready"] == [pytest.approx(100.0)]

    def test_speaking_where_no_answer_is_heard_is_no_barge_in(self) -> None:
        tally, account = self.account()
        account.sends(Kind.IN_SERIES, 1.0)
        account.sends(Kind.BARGE_IN, 2.0)
        account.is_told_to_stop(2.02)
        assert tally.barge_in_ms == []
        assert tally.unanswered == 1
