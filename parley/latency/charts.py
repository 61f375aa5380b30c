"""Charts of the page, as inline SVG. Colours come from the page's style sheet, by class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from parley.latency.budget import owner
from parley.latency.statistics import Analysis, Row, Turn, percentile

WIDTH = 1000
DOTS = 300
"""A line's turns are drawn as dots, at most so many of them, evenly chosen from all."""
_LABEL, _FIGURES, _PITCH, _TOP = 170, 130, 30, 26


def nice_step(most: float, ticks: int = 6) -> float:
    """Return a round distance between the ticks of an axis that goes to `most`."""
    rough = max(most, 1e-9) / ticks
    scale = 10.0 ** math.floor(math.log10(rough))
    return next(step * scale for step in (1, 2, 2.5, 5, 10) if step * scale >= rough)


def figure(ms: float) -> str:
    """Return milliseconds as a reader wants them: a decimal only where it matters."""
    return f"{ms:.1f}" if 0 < ms < 9.95 else f"{ms:,.0f}"


def _svg(height: float, about: str, parts: Sequence[str], width: float = WIDTH) -> str:
    label = escape(about)
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, classes: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}" text-anchor="{anchor}">{escape(text)}</text>'


def _bar(x: float, y: float, width: float, height: float, classes: str, told: str = "") -> str:
    title = f"<title>{escape(told)}</title>" if told else ""
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0):.2f}" height="{height:.2f}" rx="2" '
        f'class="{classes}">{title}</rect>'
    )


def _grid(left: float, scale: float, most: float, top: float, bottom: float) -> list[str]:
    step = nice_step(most)
    parts = []
    for number in range(int(most / step + 1e-9) + 1):
        x = left + number * step * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom:.1f}" class="grid"/>')
        parts.append(_text(x, top - 8, f"{number * step:,.0f}" + (" ms" if number == 0 else ""), "axis", "middle"))
    return parts


def waterfall_chart(analysis: Analysis) -> str:
    """Return the two staircases: a bar a line of a typical turn, and a thinner one of a slow turn."""
    typical, slow = analysis.typical, analysis.slow
    has_slow = len(analysis.turns) > 1
    most = max(typical.total_ms, slow.total_ms if has_slow else 0.0, 1.0)
    scale = (WIDTH - _LABEL - _FIGURES) / most
    bottom = _TOP + _PITCH * (len(analysis.rows) + 1)
    parts = _grid(_LABEL, scale, most, _TOP, bottom)
    begun, begun_slow = 0.0, 0.0
    for number, row in enumerate(analysis.rows):
        y = _TOP + 5 + number * _PITCH
        mean, mean_slow = typical.parts_ms.get(row.name, 0.0), slow.parts_ms.get(row.name, 0.0)
        tall = 12 if has_slow else 20
        told = f"{row.name}: {figure(mean)} ms of a typical turn, {figure(mean_slow)} ms of a slow one"
        parts.append(_text(0, y + 14, row.name, "label over" if row.is_over else "label"))
        parts.append(_bar(_LABEL + begun * scale, y, max(mean * scale, 1.2), tall, f"o-{row.owner}", told))
        if has_slow:
            x = _LABEL + begun_slow * scale
            parts.append(_bar(x, y + 14, max(mean_slow * scale, 1.2), 6, f"o-{row.owner} faint", told))
        told = figure(mean) + (f"  \u2192  {figure(mean_slow)}" if has_slow else " ms")
        parts.append(_text(WIDTH, y + 14, told, "num", "end"))
        begun += mean
        begun_slow += mean_slow
    y = _TOP + 5 + len(analysis.rows) * _PITCH
    total = figure(typical.total_ms) + (f"  \u2192  {figure(slow.total_ms)}" if has_slow else " ms")
    parts.append(f'<line x1="0" x2="{WIDTH}" y1="{y - 2}" y2="{y - 2}" class="rule"/>')
    parts += [_text(0, y + 16, "sum", "label strong"), _text(WIDTH, y + 16, total, "num strong", "end")]
    return _svg(bottom + 2, "where the time of a typical and of a slow turn goes", parts)


def histogram(row: Row) -> str:
    """Return what callers waited: turns by time, with the targets as marks."""
    width, height, bottom = 620, 190, 150
    bins = 24 if len(row.values_ms) < 50 else 56
    most = max(row.values_ms[-1], row.target.p95_ms) * 1.06
    step = nice_step(most, bins)
    counts = [0] * (int(most / step) + 1)
    for value in row.values_ms:
        counts[int(value / step)] += 1
    scale, tallest = width / (len(counts) * step), max(counts)
    parts = [f'<line x1="0" x2="{width}" y1="{bottom}" y2="{bottom}" class="rule"/>']
    for number, count in enumerate(counts):
        if count:
            tall = max(3, count / tallest * (bottom - 46))
            classes = "beyond" if number * step >= row.target.p95_ms else "within"
            told = f"{count} of {len(row.values_ms)} turns: {number * step:,.0f} to {(number + 1) * step:,.0f} ms"
            parts.append(_bar(number * step * scale + 1, bottom - tall, step * scale - 2, tall, classes, told))
    tick = nice_step(most)
    parts += [
        _text(number * tick * scale, bottom + 18, f"{number * tick:,.0f} ms", "axis", "middle")
        for number in range(1, int(most / tick) + 1)
    ]
    for allowed, name, y in ((row.target.p50_ms, "p50 budget", 12), (row.target.p95_ms, "p95 budget", 28)):
        x = allowed * scale
        anchor, aside = ("end", -6) if x > width * 0.8 else ("start", 6)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 10}" y2="{bottom}" class="target"/>')
        parts.append(_text(x + aside, y, f"{name} {allowed:,.0f}", "axis", anchor))
    return _svg(height - 14, "turns by what the caller waited", parts, width)


class Strip:
    """Distributions of many lines on one logarithmic scale, from a tenth of a millisecond."""

    LEAST_MS = 0.1
    WIDTH = 380.0

    def __init__(self, rows: Sequence[Row]) -> None:
        self._most = max([row.values_ms[-1] for row in rows] + [row.target.p95_ms for row in rows] + [1.0]) * 1.15

    def _x(self, ms: float) -> float:
        share = math.log(max(ms, self.LEAST_MS) / self.LEAST_MS) / math.log(self._most / self.LEAST_MS)
        return 6 + share * (self.WIDTH - 12)

    def _decades(self) -> list[float]:
        return [10.0**power for power in range(-1, math.floor(math.log10(self._most)) + 1)]

    def axis(self) -> str:
        """Return the scale."""
        parts = [_text(self._x(ms), 12, f"{ms:g}", "axis", "middle") for ms in self._decades()[1:]]
        return _svg(
            16, "logarithmic scale in milliseconds", [_text(0, 12, "\u2264 0.1 ms", "axis"), *parts], self.WIDTH
        )

    def of(self, row: Row) -> str:
        """Return one line: a dot a turn, the stretch from p50 to p95, and the two targets."""
        parts = [
            f'<line x1="{self._x(ms):.1f}" x2="{self._x(ms):.1f}" y1="0" y2="26" class="grid"/>'
            for ms in self._decades()
        ]
        half, most = self._x(row.p50_ms), self._x(row.p95_ms)
        parts.append(_bar(half, 9, max(most - half, 1.5), 8, f"o-{row.owner or 'whole'} band"))
        count = len(row.values_ms)
        chosen = row.values_ms if count <= DOTS else [row.values_ms[n * (count - 1) // (DOTS - 1)] for n in range(DOTS)]
        opacity = max(0.12, min(0.75, 14 / len(chosen)))
        dots = "".join(
            f'<circle cx="{self._x(ms):.1f}" cy="{13 + (n * 7 % 11 - 5) * 0.9:.1f}" r="2.6"/>'
            for n, ms in enumerate(chosen)
        )
        parts.append(f'<g class="o-{row.owner or "whole"}" fill-opacity="{opacity:.2f}">{dots}</g>')
        parts.append(_targets(row, self._x))
        told = f"{row.name}: {count} turns, p50 {figure(row.p50_ms)}, p95 {figure(row.p95_ms)} ms"
        return _svg(26, told, [f"<title>{escape(told)}</title>", *parts], self.WIDTH)


def _targets(row: Row, x_of: Callable[[float], float]) -> str:
    target = row.target
    half, most = x_of(target.p50_ms), x_of(target.p95_ms)
    missed = " missed"
    return (
        f'<path d="M{half:.1f} 3V23" class="target{missed if row.p50_ms > target.p50_ms else ""}"/>'
        f'<path d="M{most:.1f} 0V26" class="target strong{missed if row.p95_ms > target.p95_ms else ""}"/>'
    )


def turn_bar(turn: Turn, scale_ms: float) -> str:
    """Return one turn's lines end to end."""
    parts = []
    begun = 0.0
    for name, duration_ms in turn.lines_ms.items():
        wide = duration_ms / scale_ms * 560
        parts.append(_bar(begun, 1, max(wide - 0.6, 0.4), 18, f"o-{owner(name)}", f"{name}: {figure(duration_ms)} ms"))
        begun += wide
    return _svg(20, f"{turn.name}: {figure(turn.total_ms)} ms", parts, 560)


def worst_of(turn: Turn, rows: Sequence[Row]) -> tuple[str, float]:
    """Return the line of a turn that took most beyond its own median, and by how much."""
    beyond = {
        row.name: turn.lines_ms[row.name] - percentile(row.values_ms, 50) for row in rows if row.name in turn.lines_ms
    }
    name = max(beyond, key=lambda line: beyond[line])
    return name, beyond[name]
