"""What turns took: percentiles, waterfalls that add up, and the budget they are held against."""

from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.latency import budget as budgets
from parley.latency.budget import LINE_NAMES, OWNERS, owner
from parley.latency.statistics import PERCENTILES, Turn, analyse, few_turns, merely_slowest, percentile, waterfall
from parley.latency.terminal import spread

pytestmark = pytest.mark.unit

BUDGET = budgets.load()
CPU = BUDGET.profile("cpu")
MILLISECONDS = st.floats(0, 3000, allow_nan=False)
LINES = st.dictionaries(st.sampled_from(LINE_NAMES), MILLISECONDS, min_size=1)
TURNS = st.lists(LINES.map(Turn), min_size=1, max_size=60)


def turns_of(**lines_ms: list[float]) -> list[Turn]:
    counts = {len(values) for values in lines_ms.values()}
    assert len(counts) == 1
    return [Turn({name: values[n] for name, values in lines_ms.items()}) for n in range(counts.pop())]


@given(TURNS)
def test_the_bars_of_every_waterfall_add_up_to_the_mean_of_what_its_callers_waited(turns: list[Turn]) -> None:
    whole = waterfall(turns)
    assert whole.total_ms == pytest.approx(mean(turn.total_ms for turn in turns), abs=1e-6)
    assert list(whole.parts_ms) == [name for name in LINE_NAMES if name in whole.parts_ms]
    analysis = analyse(turns, CPU)
    for band in (analysis.typical, analysis.slow):
        assert sum(band.parts_ms.values()) == pytest.approx(band.total_ms)
        assert 1 <= band.turns <= len(turns)
    totals = sorted(turn.total_ms for turn in turns)
    slow = totals[-analysis.slow.turns :]
    assert analysis.slow.total_ms == pytest.approx(mean(slow), abs=1e-6)
    assert totals[0] - 1e-6 <= analysis.typical.total_ms <= analysis.slow.total_ms + 1e-6


@given(st.dictionaries(st.sampled_from(LINE_NAMES), MILLISECONDS, min_size=1), st.integers(1, 200))
def test_cells_of_a_bar_add_up_however_they_are_rounded(parts_ms: dict[str, float], cells: int) -> None:
    scale_ms = sum(parts_ms.values()) or 1.0
    found = spread(parts_ms, scale_ms, cells)
    assert sum(found.values()) == round(sum(parts_ms.values()) / scale_ms * cells)
    assert all(count >= 0 for count in found.values())
    assert all(abs(count - parts_ms[name] / scale_ms * cells) <= 1 for name, count in found.items())


@given(st.lists(MILLISECONDS, min_size=1, max_size=300), st.sampled_from(PERCENTILES))
def test_a_percentile_is_a_figure_that_was_measured_and_so_many_stay_within_it(
    values: list[float], percent: int
) -> None:
    found = percentile(sorted(values), percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values)
    assert sum(value < found for value in values) < percent / 100 * len(values)


@pytest.mark.parametrize(
    ("count", "slowest"),
    [(1, [50, 90, 95, 99]), (2, [90, 95, 99]), (9, [90, 95, 99]), (10, [95, 99]), (20, [99]), (99, [99]), (100, [])],
)
def test_of_few_turns_the_upper_percentiles_are_just_the_slowest(count: int, slowest: list[int]) -> None:
    assert merely_slowest(count) == slowest
    values = [float(number) for number in range(count)]
    assert [percent for percent in PERCENTILES if percentile(values, percent) == values[-1]] == slowest


def test_percentiles_of_few_turns_are_said_as_such() -> None:
    assert few_turns(8) == "8 turns are few: p90, p95 and p99 are just the slowest one"
    assert few_turns(50) == "50 turns are few: p99 is just the slowest one"
    assert "no distribution" in few_turns(1)
    assert few_turns(100) == ""


def test_the_line_that_is_furthest_over_comes_first() -> None:
    target = CPU.lines["turn_decision"]
    turns = turns_of(
        capture=[1.0, 1.0, 1.0],
        turn_decision=[1.0, 1.0, target.p95_ms + 40],
        llm_first_token=[CPU.lines["llm_first_token"].p50_ms + 5] * 3,
    )
    analysis = analyse(turns, CPU)
    assert [row.name for row in analysis.worst_first] == ["turn_decision", "llm_first_token", "capture"]
    assert [(row.name, row.over_at) for row in analysis.over] == [("turn_decision", "p95"), ("llm_first_token", "p50")]
    assert analysis.over[0].over_ms == pytest.approx(40)
    assert [row.name for row in analysis.rows] == ["capture", "turn_decision", "llm_first_token"]
    assert not analysis.is_within


def test_what_just_keeps_to_the_budget_is_within_it() -> None:
    turn = Turn({"capture": CPU.lines["capture"].p50_ms})
    assert analyse([turn], CPU).is_within


def test_a_whole_that_is_over_misses_the_budget_though_no_line_does() -> None:
    profile = BUDGET.profile("colocated-gpu")
    turns = [Turn({name: target.p95_ms for name, target in profile.lines.items()})]
    turns += [Turn({name: target.p50_ms for name, target in profile.lines.items()})] * 2
    analysis = analyse(turns, profile)
    assert analysis.over == []
    assert analysis.whole.over_at == "p95"
    assert not analysis.is_within


def test_a_line_that_is_missing_counts_in_the_sum_as_nothing_and_in_no_percentile() -> None:
    analysis = analyse([Turn({"capture": 10.0, "transit_in": 30.0}), Turn({"capture": 10.0})], CPU)
    transit = next(row for row in analysis.rows if row.name == "transit_in")
    assert transit.values_ms == (30.0,)
    assert analysis.typical.parts_ms == {"capture": 10.0, "transit_in": 15.0}


def test_the_slow_turns_are_five_of_a_hundred_and_the_typical_the_middle_half() -> None:
    analysis = analyse([Turn({"vad_hold": float(n)}) for n in range(1, 101)], CPU)
    assert (analysis.slow.turns, analysis.typical.turns) == (5, 50)
    assert analysis.slow.total_ms == pytest.approx(98)
    assert analysis.typical.total_ms == pytest.approx(50.5)
    assert analysis.turns[0].total_ms == 100


def test_every_line_is_somebody_s() -> None:
    assert {owner(name) for name in LINE_NAMES} == set(OWNERS)
