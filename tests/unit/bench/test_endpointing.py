"""The figures of the endpointing bench."""

from __future__ import annotations

import pytest

from bench.endpointing import OURS, TIMER, summary, tables
from bench.endpointing_lines import HELD_OUT, TUNING
from bench.endpointing_replay import Ended

pytestmark = pytest.mark.unit


def test_a_cut_off_turn_counts_as_cut_off_and_with_the_delay_of_its_end() -> None:
    ended = [
        Ended("brisk", 0, False, 200.0),
        Ended("brisk", 1, True, 400.0),
        Ended("slow", 0, False, 600.0),
        Ended("slow", 1, True, None),
    ]
    found = summary(ended)
    assert (found["turns"], found["cut_offs"], found["cut_off_share"]) == (4, 2, 0.5)
    assert (found["delay_p50_ms"], found["delay_p90_ms"], found["delay_mean_ms"]) == (400, 600, 400)


def test_no_turns_have_no_figures() -> None:
    assert summary([])["cut_off_share"] is None
    assert summary([])["delay_p50_ms"] is None


def test_the_tables_name_every_policy_and_stay_apart() -> None:
    row = summary([Ended("brisk", 0, True, 250.0)])
    result = {
        "turns": 1, "pauses": 1, "pause_p50_ms": 400, "pause_p90_ms": 900,
        "policies": [{"name": name} | row for name in (OURS, TIMER)],
        "habits": [{"habit": "brisk", "name": OURS} | row],
        "course": [],
    }  # fmt: skip
    (title, columns, rows), *others = tables(result)
    assert "1 turns, 1 pauses" in title
    assert [cells[0] for cells in rows] == [OURS, TIMER]
    assert rows[0][1:3] == ["1", "100.0 %"]
    assert all(len(cells) == len(columns) for cells in rows)
    assert others == []


def test_what_is_reported_on_was_not_tuned_on() -> None:
    said = [
        {line.replace("|", "").replace("/", "") for lines in pool.values() for line in lines}
        for pool in (TUNING, HELD_OUT)
    ]
    assert said[0] & said[1] == set()
    assert set(TUNING) == set(HELD_OUT)
