"""The budget file that is shipped, and files of one's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from parley.errors import LatencyError
from parley.latency import budget as budgets
from parley.latency.budget import LINE_NAMES, SHIPPED

pytestmark = pytest.mark.unit

BUDGET = budgets.load()


def test_the_shipped_budget_has_the_three_profiles_and_every_line() -> None:
    assert set(BUDGET.profiles) == {"cpu", "colocated-gpu", "distributed"}
    assert all(tuple(profile.lines) == LINE_NAMES for profile in BUDGET.profiles.values())


@pytest.mark.parametrize("profile", BUDGET.profiles.values(), ids=lambda profile: profile.name)
def test_lines_that_keep_to_their_p50_keep_the_whole_to_its_own(profile: budgets.Profile) -> None:
    assert sum(target.p50_ms for target in profile.lines.values()) <= profile.voice_to_voice.p50_ms
    assert sum(target.p95_ms for target in profile.lines.values()) >= profile.voice_to_voice.p95_ms * 0.8


def test_every_line_has_a_sentence_on_what_to_do() -> None:
    for line, advice in BUDGET.what_to_do.items():
        assert re.fullmatch(r"[A-Z].{30,}\.", advice), line


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[lines.commit]", "[lines.committing]", "commit, committing"),
        ("p50_ms = 400", "p50_ms = 4000", "p50_ms <= p95_ms"),
        ("p50_ms = 400", "p50_ms = 0", "0 < p50_ms"),
        ("what = ", "why = ", "'what'"),
        ("[profiles.cpu]", "[profiles", "no budget"),
        ("[profiles.distributed]", "[profiles.edge]", "'edge'"),
    ],
)
def test_a_file_that_is_no_budget_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "budget.toml"
    text = SHIPPED.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(LatencyError, match=re.escape(told)):
        budgets.load(path)


def test_a_file_that_is_not_there_and_a_profile_that_is_none_are_told() -> None:
    with pytest.raises(LatencyError, match="cannot be read"):
        budgets.load(Path("nowhere.toml"))
    with pytest.raises(LatencyError, match="choose one of cpu"):
        BUDGET.profile("gpu")
