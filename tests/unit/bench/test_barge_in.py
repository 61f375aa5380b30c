"""What is made of one barge-in: times on two clocks, engines at rest, words heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.caller import Spoken
from bench.heard import Phrase, heard_words, likeliest_words
from bench.observed import held_at, idle_from, read
from bench.onset import onset_ms
from bench.tap import Passed
from bench.trial import Seen, Trial, summary
from bench.voice_to_voice import SENTENCES, VOICES, plan, was_cut_off
from parley import events

pytestmark = pytest.mark.unit

RATE_HZ = 16000


def passed(*entries: tuple[float, str, str, int]) -> list[Passed]:
    return [Passed(at_s, stage, what, epoch, 1) for at_s, stage, what, epoch in entries]


SEEN = Seen(
    onset_ms=5000.0,
    paused_ms=5062.0,
    cleared_ms=5305.0,
    call_clock_ms=-95_000.0,  # the call began at 95 s of time.monotonic()
    passed=passed(
        (100.060, "turn", "speech_started", 3),
        (100.300, "turn", "interruption", 3),
        (100.302, "tts", "cancel", 3),
        (100.303, "tts", "audio", 4),
    ),
    llm=[(0.0, 0), (99.0, 1), (100.310, 0)],
    tts=[(0.0, 0), (99.0, 1), (99.5, 0)],
)


class TestTimes:
    """Where the time of a barge-in went."""

    def test_two_clocks_are_brought_together(self) -> None:
        times = SEEN.times_ms(3)
        assert times["onset_to_detected_ms"] == pytest.approx(60)
        assert times["detected_to_paused_ms"] == pytest.approx(2)
        assert times["onset_to_paused_ms"] == pytest.approx(62)
        assert times["interruption_to_cleared_ms"] == pytest.approx(5)
        assert times["interruption_to_tts_cancelled_ms"] == pytest.approx(2)

    def test_all_is_cancelled_when_the_slowest_part_is(self) -> None:
        times = SEEN.times_ms(3)
        assert times["interruption_to_llm_idle_ms"] == pytest.approx(10)
        assert times["interruption_to_tts_idle_ms"] == 0
        assert times["interruption_to_all_cancelled_ms"] == pytest.approx(10)

    def test_an_engine_that_goes_on_until_the_next_answer_was_not_cancelled(self) -> None:
        went_on = replace(
            SEEN,
            passed=[*SEEN.passed, *passed((100.305, "llm", "config", 4))],
        )
        assert went_on.times_ms(3)["interruption_to_llm_idle_ms"] is None
        assert went_on.times_ms(3)["interruption_to_all_cancelled_ms"] is None

    def test_what_was_not_seen_has_no_time(self) -> None:
        nothing = replace(SEEN, passed=[], paused_ms=None)
        assert set(nothing.times_ms(3).values()) == {None}
        assert nothing.llm_was_running is False

    def test_audio_after_the_cancel_counts_for_its_own_turn_only(self) -> None:
        assert SEEN.tts_audio_after_cancel(3) == 0
        late = replace(SEEN, passed=[*SEEN.passed, *passed((100.4, "tts", "audio", 3))])
        assert late.tts_audio_after_cancel(3) == 1


class TestEngines:
    """When an engine was at rest."""

    CHANGES: Sequence[tuple[float, int]] = [(1.0, 0), (2.0, 1), (3.0, 2), (4.0, 1), (5.0, 0), (6.0, 1)]

    @pytest.mark.parametrize(("at_s", "count"), [(0.5, 0), (1.5, 0), (2.0, 1), (3.5, 2), (9.0, 1)])
    def test_held_at(self, at_s: float, count: int) -> None:
        assert held_at(self.CHANGES, at_s) == count

    @pytest.mark.parametrize(
        ("since_s", "until_s", "idle_s"), [(1.5, 9.0, 1.5), (2.5, 9.0, 5.0), (2.5, 4.5, None), (6.5, 9.0, None)]
    )
    def test_idle_from(self, since_s: float, until_s: float, idle_s: float | None) -> None:
        assert idle_from(self.CHANGES, since_s, until_s) == idle_s

    def test_changes_are_read_back(self, tmp_path: Path) -> None:
        (tmp_path / "llm").write_text("1.500000 0\n2.250000 1\n")
        assert read(tmp_path / "llm") == [(1.5, 0), (2.25, 1)]
        assert read(tmp_path / "none") == []


class TestHeard:
    """Which words a caller has heard."""

    PHRASES = (
        Phrase((("One", 200), ("two.", 400)), 500.0),
        Phrase((("Three", 150), ("four.", 350)), 400.0),
    )

    @pytest.mark.parametrize(
        ("played_ms", "words"),
        [
            (0, []),
            (199, []),
            (200, ["One"]),
            (499, ["One", "two."]),
            (649, ["One", "two."]),
            (650, ["One", "two.", "Three"]),
            (900, ["One", "two.", "Three", "four."]),
        ],
    )
    def test_a_word_is_heard_once_its_audio_is_over(self, played_ms: float, words: list[str]) -> None:
        assert heard_words(self.PHRASES, played_ms) == words

    def test_a_word_that_ends_within_what_a_rendering_varies_may_be_told_or_not(self) -> None:
        phrases = [Phrase((("come", 932), ("for", 1089)), 2548.0)]
        for played_ms, told, expected in [
            (1088.0, ["come", "for"], ["come", "for"]),
            (1090.0, ["come"], ["come"]),
            (1090.0, ["come", "for"], ["come", "for"]),
            (1086.0, ["come", "for"], ["come"]),
            (1092.0, ["come"], ["come", "for"]),
        ]:
            assert likeliest_words(phrases, played_ms, told) == expected

    def test_a_record_that_differs_by_a_word_is_wrong(self) -> None:
        right = Trial("v", 500, "interrupted", expected_words=("a", "b"), heard_words=("a", "b"))
        wrong = replace(right, heard_words=("a",))
        told = summary([right, wrong], [], 0)
        assert told["heard_text_right"] == 1
        assert told["heard_text_wrong"] == [{"expected": "a b", "told": "a"}]


class TestOnset:
    """Where speech begins in a recording."""

    def test_the_first_loud_window_with_another_after_it(self) -> None:
        tone = (8000 * np.sin(np.arange(RATE_HZ) / 5)).astype("<i2")
        click = np.zeros(160, dtype="<i2")
        click[80] = 30000
        pcm = np.concatenate([np.zeros(1600, "<i2"), click, np.zeros(1600, "<i2"), tone]).tobytes()
        assert onset_ms(pcm, RATE_HZ) == 210.0

    def test_silence_has_no_onset(self) -> None:
        with pytest.raises(ValueError, match="no speech"):
            onset_ms(bytes(3200), RATE_HZ)


class TestVoiceToVoice:
    """Who says what, and whether it was cut off."""

    def test_the_plan_is_of_several_voices_and_at_least_forty_turns(self) -> None:
        calls = plan(8, 6)
        assert sum(len(call.sentences) for call in calls) >= 40
        assert {call.voice for call in calls} == set(VOICES)
        assert {call.agent for call in calls} == set(SENTENCES)

    @pytest.mark.parametrize(("at_ms", "is_cut_off"), [(900.0, False), (1500.0, True), (2100.0, False)])
    def test_a_turn_that_is_over_before_the_sentence_was_cut_off(self, at_ms: float, is_cut_off: bool) -> None:
        thinking = events.StateChanged(at_ms=at_ms, state=events.State.THINKING, turn_epoch=2)
        assert was_cut_off([thinking], Spoken(1000.0, 2000.0)) is is_cut_off
