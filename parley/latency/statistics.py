"""What turns took, line by line: percentiles against a budget, and waterfalls whose bars add up. Pure.

Percentiles are nearest-rank: each is a figure that was measured, and of few turns the upper ones are just the slowest.
Percentiles of lines do not add up to those of the whole, so a waterfall is made of means over a band of turns: they do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parley.latency.budget import LINE_NAMES, Profile, Target, owner

PERCENTILES = (50, 90, 95, 99)
TOTAL = "voice to voice"
SLOW_PERCENT = 5
"""Of the turns, this many of a hundred are the slow ones; at least one."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn that answered speech. Nothing that was said."""

    lines_ms: Mapping[str, float]
    """By line. One that could not be measured is not in it, and counts as 0 in the sum."""
    session_id: str = ""
    agent: str = ""
    epoch: int = 0
    outcome: str = ""
    """As in the turn summary: empty for an answer."""
    at_s: float | None = None
    """When, in seconds of Unix time; None: not known."""
    hidden_ms: float | None = None
    """What speculation hid of the answer; None: it was not begun on a guess."""

    @property
    def total_ms(self) -> float:
        """What the caller waited: the sum of the lines."""
        return sum(self.lines_ms.values())

    @property
    def name(self) -> str:
        """Short, for a reader."""
        return f"turn {self.epoch}" + (f" of {self.session_id[:12]}" if self.session_id else "")


@dataclass(frozen=True, slots=True)
class Row:
    """One line, or the whole, over many turns."""

    name: str
    owner: str
    values_ms: tuple[float, ...]
    """Sorted."""
    target: Target

    @property
    def p50_ms(self) -> float:
        """Half of the turns stay within it."""
        return percentile(self.values_ms, 50)

    @property
    def p95_ms(self) -> float:
        """95 of a hundred stay within it."""
        return percentile(self.values_ms, 95)

    @property
    def over_ms(self) -> float:
        """By how much it is over budget, at p50 or p95, whichever is worse; negative: the room that is left."""
        return max(self.p50_ms - self.target.p50_ms, self.p95_ms - self.target.p95_ms)

    @property
    def over_at(self) -> str:
        """Which percentiles are over."""
        over = (("p50", self.p50_ms > self.target.p50_ms), ("p95", self.p95_ms > self.target.p95_ms))
        return " and ".join(name for name, is_over in over if is_over)

    @property
    def is_over(self) -> bool:
        """Whether the budget is missed."""
        return self.over_ms > 0


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The mean of some turns: its parts lie end to end."""

    turns: int
    parts_ms: Mapping[str, float]
    """By line, in order."""

    @property
    def total_ms(self) -> float:
        """The sum of the parts: the mean of what these callers waited."""
        return sum(self.parts_ms.values())


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that is shown."""

    turns: tuple[Turn, ...]
    """Slowest first."""
    whole: Row
    rows: tuple[Row, ...]
    """By line, in order."""
    typical: Waterfall
    """The middle half of the turns."""
    slow: Waterfall
    """The slowest SLOW_PERCENT."""

    @property
    def worst_first(self) -> list[Row]:
        """The lines, with the one that is furthest over budget first."""
        return sorted(self.rows, key=lambda row: -row.over_ms)

    @property
    def over(self) -> list[Row]:
        """The lines that are over budget, worst first."""
        return [row for row in self.worst_first if row.is_over]

    @property
    def is_within(self) -> bool:
        """Whether the whole and every line stay within the budget."""
        return not (self.whole.is_over or self.over)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile of a sorted, non-empty sequence."""
    return ordered[_rank(len(ordered), percent) - 1]


def _rank(count: int, percent: int) -> int:
    return max(1, -(-percent * count // 100))


def merely_slowest(count: int) -> list[int]:
    """Return which percentiles of so many turns are just the slowest of them."""
    return [percent for percent in PERCENTILES if _rank(count, percent) == count]


def few_turns(count: int) -> str:
    """Return the caution that goes with percentiles of few turns; empty where there are enough."""
    names = [f"p{percent}" for percent in merely_slowest(count)]
    if not names:
        return ""
    if count == 1:
        return "one turn is no distribution: every percentile is that turn"
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{count} turns are few: {listed} {'is' if len(names) == 1 else 'are'} just the slowest one"


def waterfall(turns: Sequence[Turn]) -> Waterfall:
    """Return the mean of the turns, line by line. At least one turn."""
    present = [line for line in LINE_NAMES if any(line in turn.lines_ms for turn in turns)]
    return Waterfall(
        len(turns), {line: sum(turn.lines_ms.get(line, 0.0) for turn in turns) / len(turns) for line in present}
    )


def analyse(turns: Sequence[Turn], profile: Profile) -> Analysis:
    """Return what the turns took against a profile of the budget. At least one turn."""
    ranked = sorted(turns, key=lambda turn: turn.total_ms)
    quarter = len(ranked) // 4
    slow = max(1, -(-SLOW_PERCENT * len(ranked) // 100))
    rows = []
    for line in LINE_NAMES:
        values = sorted(turn.lines_ms[line] for turn in turns if line in turn.lines_ms)
        if values:
            rows.append(Row(line, owner(line), tuple(values), profile.lines[line]))
    return Analysis(
        turns=tuple(reversed(ranked)),
        whole=Row(TOTAL, "", tuple(turn.total_ms for turn in ranked), profile.voice_to_voice),
        rows=tuple(rows),
        typical=waterfall(ranked[quarter : len(ranked) - quarter]),
        slow=waterfall(ranked[-slow:]),
    )
