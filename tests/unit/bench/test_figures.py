"""What the measurements compute from what they saw."""

from __future__ import annotations

import math
from itertools import islice

import pytest

from bench.goals import GOALS, Goal, Outcome, figure, outcomes
from bench.machine import Reading, Window
from bench.rhythm import Habits, Kind, rhythm
from bench.stats import percentile, spread
from bench.words import word_errors, words_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (1, 1.0), (50, 50.0), (95, 95.0), (99, 99.0), (100, 100.0)]
)
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_percentile_of_few_values_never_flatters() -> None:
    assert percentile([1.0, 9.0], 99) == 9.0
    assert percentile([3.0], 50) == 3.0


def test_nothing_measured_is_told_as_nothing() -> None:
    assert math.isnan(percentile([], 50))
    assert spread([]) == {"p50_ms": None, "p95_ms": None, "p99_ms": None, "max_ms": None}


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("where is my order", "where is my order", 0),
        ("Where is my order?", "where is my  order", 0),
        ("where is my order", "where is the order", 1),
        ("where is my order", "where my order", 1),
        ("where is my order", "so where is my order now", 2),
        ("where is my order", "", 4),
        ("i'd like", "i\u2019d like", 0),
    ],
)
def test_word_errors_count_the_least_edits(said: str, heard: str, errors: int) -> None:
    assert word_errors(words_of(said), words_of(heard)) == errors


def test_a_window_tells_what_everybody_else_took() -> None:
    first = Reading(10.0, 100.0, {"orchestrator": 1.0, "load": 2.0}, {"orchestrator": 50.0})
    last = Reading(20.0, 118.0, {"orchestrator": 5.0, "load": 8.0}, {"orchestrator": 60.0})
    window = Window.between(first, last)
    assert window.cpu_s == {"orchestrator": 4.0, "load": 6.0}
    assert window.others_cores == pytest.approx(0.8)
    assert window.rss_mb["orchestrator"] == 60.0


class TestRhythm:
    """The load generator's callers."""

    FRAMES = 4000

    def frames(self, seed: int) -> list[Kind]:
        return list(islice(rhythm(seed, Habits(1600)), self.FRAMES))

    def test_is_the_same_for_the_same_seed_only(self) -> None:
        assert self.frames(3) == self.frames(3)
        assert self.frames(3) != self.frames(4)

    def test_the_frame_that_decides_is_the_second_silent_one_and_completes_a_detector_frame(self) -> None:
        frames = self.frames(5)
        endings = [at for at, kind in enumerate(frames) if kind in (Kind.IN_SERIES, Kind.TRANSCRIPT_READY)]
        assert len(endings) > 15
        for at in endings:
            assert frames[at - 2] is Kind.SPEECH
            assert frames[at - 1] is Kind.SILENCE
            assert self.is_forwarded(at)
            assert self.is_forwarded(at - 1) is (frames[at] is Kind.TRANSCRIPT_READY)

    def test_the_agent_is_never_spoken_over(self) -> None:
        frames = self.frames(6)
        starts = [at for at in range(1, len(frames)) if frames[at] is Kind.SPEECH and frames[at - 1] is not Kind.SPEECH]
        endings = [at for at, kind in enumerate(frames) if kind in (Kind.IN_SERIES, Kind.TRANSCRIPT_READY)]
        for ending, start in zip(endings, starts[1:], strict=False):
            assert (start - ending) * 20 >= 1600 + 400
            assert 3000 <= (start - starts[starts.index(start) - 1]) * 20 <= 5100

    @staticmethod
    def is_forwarded(at: int) -> bool:
        """Whether frame `at` (from 0) completes one of the detector's 32 ms frames, as the orchestrator counts."""
        return (at + 1) * 20 // 32 != at * 20 // 32


class TestGoals:
    """What `make bench` says of the figures."""

    def test_a_figure_is_found_by_its_path(self) -> None:
        result = {"runs": [{"calls": 1, "turn_p50_ms": 4.0}, {"calls": 50, "turn_p50_ms": 2.0}], "wrong": ["a", "b"]}
        assert figure(result, ("runs", 50, "turn_p50_ms")) == 2.0
        assert figure(result, ("runs", 25, "turn_p50_ms")) is None
        assert figure(result, ("runs", 50, "no_such")) is None
        assert figure(result, ("wrong",)) == 2.0

    @pytest.mark.parametrize(
        ("most", "measured", "verdict"),
        [(2.5, 2.5, "ok"), (2.5, 2.51, "missed"), (0, 0, "ok"), (2.5, None, "not measured"), (None, 9.0, "")],
    )
    def test_verdict(self, most: float | None, measured: float | None, verdict: str) -> None:
        assert Outcome(Goal("barge_in", "x", ("x",), most), measured).verdict == verdict

    def test_only_what_ran_is_told(self) -> None:
        told = outcomes({"voice_to_voice": {"p50_ms": 300.0}})
        assert {outcome.goal.bench for outcome in told} == {"voice_to_voice"}
        assert told[0].measured == 300.0

    def test_every_goal_of_the_project_is_there(self) -> None:
        told = {(goal.bench, goal.path[-2:]): goal.most for goal in GOALS if goal.most is not None}
        assert told["voice_to_voice", ("p50_ms",)] == 400
        assert told["voice_to_voice", ("p95_ms",)] == 800
        assert told["barge_in", ("onset_to_paused_ms", "p95_ms")] == 160
        assert told["barge_in", ("detected_to_paused_ms", "p95_ms")] == 20
        assert told["orchestration", (50, "turn_p50_ms")] == 2.5
        assert told["orchestration", (50, "turn_p99_ms")] == 8
        assert told["orchestration", (50, "cpu_s_per_call_minute")] == 0.5
        assert told["peers", (25, "added_p95")] == 0.25
        assert told["peers", (25, "cpu")] == pytest.approx(1 / 3, abs=0.001)
        assert told["peers", (50, "added_p50")] == told["peers", (50, "added_p99")] == 1
