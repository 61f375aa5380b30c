"""The analysis on a terminal: percentiles against the budget, bars, and what to do about the lines that are over."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from parley.latency.budget import OWNERS, Budget, owner
from parley.latency.statistics import PERCENTILES, Analysis, Row, Waterfall, few_turns, percentile

COLOURS = {
    "caller": "bright_black", "turn": "magenta", "asr": "cyan", "orchestrator": "white", "llm": "blue", "tts": "yellow",
}  # fmt: skip
LETTERS = {"caller": "c", "turn": "t", "asr": "a", "orchestrator": "o", "llm": "l", "tts": "s"}
"""What bars are made of where there are no colours."""
BAR_CELLS = 36
STRIP_CELLS = 72
_NAME_CELLS = 20
_FANCY = {"full": "█", "rest": "▒", "tick": "│"}
_PLAIN = {"full": "#", "rest": "-", "tick": "|"}


def show(console: Console, analysis: Analysis, budget: Budget, source: str, *, in_order: bool) -> None:
    """Print all of it. `source`: what was looked at, in words."""
    marks = _FANCY if console.is_terminal and "utf" in console.encoding.lower() else _PLAIN
    for line in (
        *heading(analysis, source),
        Text(),
        *strips(analysis, marks),
        Text(),
        *(table_in_order(analysis, marks) if in_order else table_worst_first(analysis, marks)),
        *advice(analysis, budget, max(60, min(console.width, 120))),
    ):
        console.print(line, soft_wrap=True)


def heading(analysis: Analysis, source: str) -> list[Text]:
    """Return what was looked at, and the whole against its target."""
    whole = analysis.whole
    count = len(analysis.turns)
    figures = "   ".join(f"p{percent} {percentile(whole.values_ms, percent):.0f}" for percent in PERCENTILES)
    lines = [
        Text.assemble((whole.name, "bold"), f"   {figures} ms   ", _verdict(whole)),
        Text(f"{count} {'turn' if count == 1 else 'turns'} of {source}", "dim"),
    ]
    if hidden_ms := [turn.hidden_ms for turn in analysis.turns if turn.hidden_ms is not None]:
        held = f"begun on a guess: {len(hidden_ms)} of {count}"
        lines.append(Text(f"{held}, p50 {percentile(hidden_ms, 50):.0f} ms hidden by speculation", "dim"))
    if caution := few_turns(count):
        lines.append(Text(caution, "yellow"))
    return lines


def _verdict(row: Row) -> Text:
    budget = f"budget {row.target.p50_ms:.0f} / {row.target.p95_ms:.0f}"
    if row.is_over:
        return Text.assemble((f"{budget}   ", "dim"), (f"over by {_short(row.over_ms)} at {row.over_at}", "bold red"))
    return Text.assemble((f"{budget}   ", "dim"), ("within", "green"))


def strips(analysis: Analysis, marks: Mapping[str, str]) -> list[Text]:
    """Return a typical turn and a slow one as bars of the same scale, and what the colours are."""
    scale_ms = max(analysis.typical.total_ms, analysis.slow.total_ms) or 1.0
    lines = []
    shown = [("typical turn", analysis.typical, "middle half")]
    if len(analysis.turns) > 1:
        shown.append(("slow turn", analysis.slow, "slowest"))
    for name, waterfall, which in shown:
        mean = f"mean of the {waterfall.turns} in the {which}" if which != "slowest" else _slowest(waterfall)
        note = f"  {waterfall.total_ms:.0f} ms  " + (mean if len(analysis.turns) > 1 else "")
        lines.append(Text.assemble(f"{name:<{_NAME_CELLS}}", strip(waterfall, scale_ms, marks), (note, "dim")))
    used = {owner(line) for line in analysis.typical.parts_ms}
    letters = marks is _PLAIN
    legend = Text(" " * _NAME_CELLS)
    for name in OWNERS:
        if name in used:
            legend.append(LETTERS[name] if letters else marks["full"], COLOURS[name])
            legend.append(f" {name}   ", "dim")
    return [*lines, legend]


def _slowest(waterfall: Waterfall) -> str:
    return "the slowest" if waterfall.turns == 1 else f"mean of the {waterfall.turns} slowest"


def strip(waterfall: Waterfall, scale_ms: float, marks: Mapping[str, str]) -> Text:
    """Return a waterfall in one row: a run of cells a line, as long together as its share of `scale_ms`."""
    drawn = Text()
    for name, cells in spread(waterfall.parts_ms, scale_ms, STRIP_CELLS).items():
        mark = marks["full"] if marks is _FANCY else LETTERS[owner(name)]
        drawn.append(mark * cells, COLOURS[owner(name)])
    return drawn


def spread(parts_ms: Mapping[str, float], scale_ms: float, cells: int) -> dict[str, int]:
    """Cut `cells` that stand for `scale_ms` into parts, so that what is rounded is the running sum: they add up."""
    found: dict[str, int] = {}
    begun_ms, done = 0.0, 0
    for name, duration_ms in parts_ms.items():
        begun_ms += duration_ms
        end = round(begun_ms / scale_ms * cells)
        found[name], done = end - done, end
    return found


_HEADINGS = " ".join(f"{f'p{percent}':>7}" for percent in PERCENTILES)


def table_worst_first(analysis: Analysis, marks: Mapping[str, str]) -> list[Text]:
    """Return a row a line, the worst first; bars to p50 and on to p95, with a mark at the p95 that is allowed."""
    scale_ms = max([row.p95_ms for row in analysis.rows] + [row.target.p95_ms for row in analysis.rows] + [1.0])
    title = f"{'line, worst first':<{_NAME_CELLS}}{f'p50, p95 and budget, to {scale_ms:.0f} ms':<{BAR_CELLS}}"
    head = Text(f"{title} {_HEADINGS}   budget", "bold")
    return [head, *(_row(row, _bar(row, scale_ms, marks)) for row in analysis.worst_first)]


def _bar(row: Row, scale_ms: float, marks: Mapping[str, str]) -> Text:
    def cell(ms: float) -> int:
        return min(BAR_CELLS, round(ms / scale_ms * BAR_CELLS))

    half, most, allowed = cell(row.p50_ms), cell(row.p95_ms), min(BAR_CELLS - 1, cell(row.target.p95_ms))
    cells = (marks["full"] * half + marks["rest"] * (most - half)).ljust(BAR_CELLS)
    drawn = Text(cells, COLOURS[row.owner])
    tick = Text(marks["tick"], "bold red" if row.is_over else "bold")
    return Text.assemble(drawn[:allowed], tick, drawn[allowed + 1 :])


def table_in_order(analysis: Analysis, marks: Mapping[str, str]) -> list[Text]:
    """Return a row a line, in the order of a turn; the bars are the typical turn's and lie end to end."""
    typical = analysis.typical
    title = f"{'line':<{_NAME_CELLS}}{'typical turn':<{BAR_CELLS}}"
    lines = [Text(f"{title} {_HEADINGS}   budget", "bold")]
    cells = spread(typical.parts_ms, typical.total_ms or 1.0, BAR_CELLS)
    begun = 0
    for row in analysis.rows:
        wide = cells.get(row.name, 0)
        shown = marks["full"] * wide
        if not wide and row.p50_ms > 0:
            shown = marks["tick"]
        lines.append(_row(row, Text((" " * min(begun, BAR_CELLS - 1) + shown).ljust(BAR_CELLS), COLOURS[row.owner])))
        begun += wide
    return lines


def _row(row: Row, bar: Text) -> Text:
    figures = " ".join(f"{_short(percentile(row.values_ms, percent)):>7}" for percent in PERCENTILES)
    budget = f"   {_short(row.target.p50_ms)} / {_short(row.target.p95_ms)}"
    name = (f"{row.name:<{_NAME_CELLS}}", "bold red" if row.is_over else "")
    text = Text.assemble(name, bar, f" {figures}", (f"{budget:<14}", "dim"))
    if row.is_over:
        text.append(f"over by {_short(row.over_ms)} at {row.over_at}", "red")
    text.rstrip()
    return text


def _short(ms: float) -> str:
    return f"{ms:.1f}" if 0 < ms < 9.95 and ms != round(ms) else f"{ms:.0f}"


def advice(analysis: Analysis, budget: Budget, width: int) -> Sequence[Text]:
    """Return what to do about each line that is over."""
    if not analysis.over:
        return [Text(), Text("every line is within its budget", "green")]
    lines = [Text(), Text("what to do", "bold")]
    for row in analysis.over:
        first, *others = textwrap.wrap(budget.what_to_do[row.name], width - _NAME_CELLS)
        lines.append(Text.assemble((f"{row.name:<{_NAME_CELLS}}", "red"), first))
        lines += [Text(" " * _NAME_CELLS + other) for other in others]
    return lines
