"""The analysis as one page of HTML that holds all it needs: style and charts inline, no script, no network."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from parley.latency.budget import OWNERS, Budget, Profile
from parley.latency.charts import Strip, figure, histogram, turn_bar, waterfall_chart, worst_of
from parley.latency.document import SLOWEST
from parley.latency.statistics import PERCENTILES, Analysis, Row, few_turns, percentile

STYLE = Path(__file__).with_name("page.css")


def page(analysis: Analysis, budget: Budget, profile: Profile, source: str, others: int) -> str:
    """Return the page. `source`: what was looked at, in words; `others`: turns that answered no speech."""
    body = "\n".join(
        (
            _header(analysis, profile, source, others),
            _hero(analysis),
            _advice(analysis, budget),
            _waterfall(analysis),
            _lines(analysis),
            _slowest(analysis),
            _budget(budget, profile),
            _footer(),
        )
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Latency: {escape(source)}</title>\n<style>\n{STYLE.read_text()}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _header(analysis: Analysis, profile: Profile, source: str, others: int) -> str:
    count = len(analysis.turns)
    over = len(analysis.over)
    verdict = '<span class="pill good">within budget</span>'
    if analysis.whole.is_over:
        verdict = '<span class="pill bad">over budget</span>'
    elif over:
        lines = "one line is not" if over == 1 else f"{over} lines are not"
        verdict = f'<span class="pill fair">within budget, {lines}</span>'
    told = [f"{count:,} {'turn' if count == 1 else 'turns'} of {source}"]
    if period := _period(analysis):
        told.append(period)
    if others:
        told.append(f"{others:,} more answered no speech")
    told.append(f"budget: {profile.name}, {profile.what}")
    caution = few_turns(count)
    about = _prose(" \u00b7 ".join(told))
    return (
        f"<header><h1>What callers waited {verdict}</h1>\n<p>{about}</p>\n"
        + (f'<p class="caution">{escape(caution.capitalize())}.</p>\n' if caution else "")
        + "</header>"
    )


def _prose(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _period(analysis: Analysis) -> str:
    times = [turn.at_s for turn in analysis.turns if turn.at_s is not None]
    if not times:
        return ""
    first, last = (datetime.fromtimestamp(at_s, UTC) for at_s in (min(times), max(times)))
    until = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return f"{first:%Y-%m-%d %H:%M} to {until} UTC"


def _hero(analysis: Analysis) -> str:
    whole = analysis.whole
    allowed = {50: whole.target.p50_ms, 95: whole.target.p95_ms}
    tiles = []
    for percent in (50, 95, 90, 99):
        value = percentile(whole.values_ms, percent)
        target = allowed.get(percent)
        classes = ("" if target else " minor") + (" bad" if target and value > target else "")
        note = f"p{percent} \u00b7 budget {target:,.0f}" if target else f"p{percent}"
        tiles.append(f'<div class="tile{classes}"><b>{value:,.0f} <small>ms</small></b><span>{note}</span></div>')
    return (
        '<section class="hero">\n<div><h2>Voice to voice</h2>\n<p class="note">From the last of the caller\u2019s '
        f'speech to the first of the agent\u2019s.</p>\n<div class="tiles">{"".join(tiles)}</div></div>\n'
        f"<div>{histogram(whole)}</div>\n</section>"
    )


def _advice(analysis: Analysis, budget: Budget) -> str:
    if not analysis.over:
        return ""
    items = "".join(
        f"<li><b><em>+{figure(row.over_ms)} ms at {row.over_at}</em>{_dot(row.owner)}{row.name}</b>"
        f"<p>{_prose(budget.what_to_do[row.name])}</p></li>"
        for row in analysis.over
    )
    count = len(analysis.over)
    head = "One line is over budget" if count == 1 else f"{count} lines are over budget"
    return f'<section>\n<h2>{head}</h2>\n<ul class="advice">{items}</ul>\n</section>'


def _waterfall(analysis: Analysis) -> str:
    note = "The lines of a turn lie end to end, so they add up. "
    if len(analysis.turns) > 1:
        slow = analysis.slow.turns
        which = "the slowest turn" if slow == 1 else f"the mean of the {slow} slowest turns"
        note += f"Thick: a typical turn, the mean of the {analysis.typical.turns} in the middle half. Thin: {which}."
    used = {row.owner for row in analysis.rows}
    legend = "".join(f'<li><i class="o-{name}"></i>{name}</li>' for name in OWNERS if name in used)
    return (
        f'<section>\n<h2>Where the time goes</h2>\n<p class="note">{note}</p>\n<ul class="legend">{legend}</ul>\n'
        f'<div class="scroll"><div class="chart">{waterfall_chart(analysis)}</div></div>\n</section>'
    )


def _lines(analysis: Analysis) -> str:
    strip = Strip([*analysis.rows, analysis.whole])
    heads = "".join(f'<th class="n">p{percent}</th>' for percent in PERCENTILES)
    rows = "".join(_line(row, strip) for row in (analysis.whole, *analysis.worst_first))
    return (
        '<section>\n<h2>Each line against the budget</h2>\n<p class="note">Worst first. A dot is a turn; the band runs '
        "from p50 to p95; the dashed mark is the p50 of the budget, the solid one its p95, red where missed.</p>\n"
        f'<div class="scroll"><table><thead><tr><th>line</th><th>{strip.axis()}</th>{heads}<th class="n">budget</th>'
        f'<th class="n">over by</th></tr></thead>\n<tbody>{rows}</tbody></table></div>\n</section>'
    )


def _line(row: Row, strip: Strip) -> str:
    missed = {50: row.p50_ms > row.target.p50_ms, 95: row.p95_ms > row.target.p95_ms}
    cells = "".join(
        f'<td class="n{" bad-text" if missed.get(percent) else ""}">{figure(percentile(row.values_ms, percent))}</td>'
        for percent in PERCENTILES
    )
    over = f'<td class="n bad-text">{figure(row.over_ms)}</td>' if row.is_over else '<td class="n dim">\u2013</td>'
    name = row.name if row.owner else f"<b>{row.name}</b>"
    budget = f"{row.target.p50_ms:g} / {row.target.p95_ms:g}"
    return (
        f'<tr><td>{_dot(row.owner or "whole")}{name}</td><td class="strip">{strip.of(row)}</td>{cells}'
        f'<td class="n dim">{budget}</td>{over}</tr>\n'
    )


def _dot(owner: str) -> str:
    return f'<i class="dot o-{owner}"></i>'


def _slowest(analysis: Analysis) -> str:
    turns = analysis.turns[:SLOWEST]
    if len(analysis.turns) < 2:
        return ""
    rows = []
    for turn in turns:
        name, beyond_ms = worst_of(turn, analysis.rows)
        about = [turn.agent, turn.outcome]
        if turn.at_s is not None:
            about.append(f"{datetime.fromtimestamp(turn.at_s, UTC):%H:%M:%S}")
        told = " \u00b7 ".join(part for part in about if part)
        rows.append(
            f'<tr><td>{escape(turn.name)}</td><td class="dim">{escape(told)}</td>'
            f'<td class="wide">{turn_bar(turn, turns[0].total_ms or 1.0)}</td>'
            f'<td class="n"><b>{figure(turn.total_ms)}</b></td>'
            f'<td>{name} <span class="bad-text">+{figure(max(0.0, beyond_ms))}</span></td></tr>\n'
        )
    return (
        '<section>\n<h2>The slowest turns</h2>\n<p class="note">And the line of each that took most beyond its own '
        'median.</p>\n<div class="scroll"><table><thead><tr><th>turn</th><th></th><th>its lines</th>'
        f'<th class="n">ms</th><th>most beyond its median</th></tr></thead>\n<tbody>'
        f"{''.join(rows)}</tbody></table></div>\n</section>"
    )


def _budget(budget: Budget, chosen: Profile) -> str:
    profiles = list(budget.profiles.values())
    heads = "".join(
        f'<th class="n">{escape(profile.name)}{" (shown above)" if profile is chosen else ""}</th>'
        for profile in profiles
    )

    def cells(targets: list[tuple[float, float]]) -> str:
        return "".join(f'<td class="n">{p50:g} / {p95:g}</td>' for p50, p95 in targets)

    whole = cells([(profile.voice_to_voice.p50_ms, profile.voice_to_voice.p95_ms) for profile in profiles])
    rows = "".join(
        f"<tr><td>{line}</td>"
        + cells([(profile.lines[line].p50_ms, profile.lines[line].p95_ms) for profile in profiles])
        + "</tr>\n"
        for line in budget.what_to_do
    )
    about = " ".join(f"<b>{escape(profile.name)}</b>: {_prose(profile.what)}." for profile in profiles)
    return (
        f'<section>\n<h2>The budget</h2>\n<p class="note">p50 / p95 in milliseconds. {about}</p>\n'
        f'<div class="scroll"><table><thead><tr><th>line</th>{heads}</tr></thead>\n<tbody><tr><td><b>voice to voice</b>'
        f"</td>{whole}</tr>\n{rows}</tbody></table></div>\n</section>"
    )


def _footer() -> str:
    return (
        "<footer>Percentiles are nearest-rank: each is a figure that was measured. Those of the lines do not add up to "
        "those of the whole, for not every line is slow in one turn; means do. A line that could not be measured "
        "counts as 0 in the sum and is in no percentile. What each line is: docs/telemetry.md.</footer>"
    )
