"""`parley latency`: where turns' time went, against the budget."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from parley.errors import LatencyError
from parley.latency import budget as budgets
from parley.latency.document import document
from parley.latency.from_otlp import turns_of_otlp
from parley.latency.from_redis import turns_of_redis
from parley.latency.from_report import turns_of_report
from parley.latency.statistics import Turn, analyse
from parley.latency.terminal import show
from parley.terminal import console

DEFAULT_REPORT = Path("out/demo/report.json")
STDIN = "standard input"
DEFAULT_SINCE_S = 900.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_EPILOG = """\
Turns come from one of three places: the report of a call (--report), the stream that orchestrators keep in Redis
(--redis), or spans as a collector's file exporter writes them (--otlp). What the lines are: docs/telemetry.md.

Exit status: 0; 1 where there is nothing to show, or with --check where the budget is missed.

examples:
  parley latency                                                 the last `parley demo`
  parley call question.wav --json | parley latency --report -    a call
  parley latency --redis redis://localhost:6379 --since 1h       what callers waited in the last hour
  parley latency --otlp traces.jsonl --html latency.html         a page of what a collector wrote
  parley latency --check --profile cpu                           for a script: is the budget kept?
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = _EPILOG
    sources = parser.add_mutually_exclusive_group()
    sources.add_argument("--redis", metavar="URL", help="read the turns that orchestrators log in this Redis")
    sources.add_argument("--otlp", type=Path, metavar="FILE", help="read spans as JSON, one export a line")
    sources.add_argument(
        "--report",
        metavar="FILE",
        help=f"read the report of `parley demo`, or what `parley call --json` says; `-`: standard input "
        f"(default: {DEFAULT_REPORT})",
    )
    parser.add_argument(
        "--since",
        type=_seconds,
        metavar="15m",
        help="only the newest turns, of so many s, m, h or d (default: 15m of --redis, else all)",
    )
    parser.add_argument("--session", default="", metavar="ID", help="only the turns of this call")
    parser.add_argument(
        "--profile", default=budgets.DEFAULT_PROFILE, help="cpu, colocated-gpu or distributed (default: %(default)s)"
    )
    parser.add_argument("--budget", type=Path, default=budgets.SHIPPED, metavar="FILE", help="a budget of your own")
    parser.add_argument("--in-order", action="store_true", help="lines as they follow each other, not worst first")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page for people, too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", action="store_true", help="exit with 1 where the budget is missed")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    budget = budgets.load(options.budget)
    profile = budget.profile(options.profile)
    turns, others, source = _turns(options)
    if not turns:
        raise LatencyError(f"no turn that answered speech in {source}")
    analysis = analyse(turns, profile)
    described = f"{source}, profile {profile.name}"
    if options.html:
        from parley.latency.page import page

        try:
            options.html.write_text(page(analysis, budget, profile, source, others), encoding="utf-8")
        except OSError as error:
            raise LatencyError(f"{options.html} cannot be written: {error.strerror}") from error
    if options.json:
        told = document(analysis, budget, profile.name, source, others)
        print(json.dumps(told, indent=2))  # noqa: T201 - a command speaks to its terminal
    else:
        out = console()
        show(out, analysis, budget, described, in_order=options.in_order)
        if options.html:
            out.print(f"\nwritten: {options.html}", markup=False, soft_wrap=True)
    return 1 if options.check and not analysis.is_within else 0


def _seconds(text: str) -> float:
    if (found := re.fullmatch(r"(\d+)([smhd])", text)) is None:
        raise argparse.ArgumentTypeError(f"{text!r}: a number and s, m, h or d, such as 15m")
    return float(found[1]) * _UNITS[found[2]]


def _words(seconds: float) -> str:
    unit = next(unit for unit in reversed(_UNITS) if seconds % _UNITS[unit] == 0)
    return f"{seconds / _UNITS[unit]:.0f} {unit}"


def _turns(options: argparse.Namespace) -> tuple[list[Turn], int, str]:
    """Return the turns, how many answered no speech, and where they are from, in words."""
    of_session = f", session {options.session}" if options.session else ""
    if options.redis:
        since_s = options.since or (None if options.session else DEFAULT_SINCE_S)
        turns, others = turns_of_redis(options.redis, session_id=options.session, since_s=since_s)
        window = f"the last {_words(since_s)} in Redis" if since_s else "Redis"
        return turns, others, f"{window}{of_session}"
    if options.otlp:
        window = f"the last {_words(options.since)} of {options.otlp}" if options.since else str(options.otlp)
        try:
            with options.otlp.open(encoding="utf-8", errors="replace") as lines:
                turns, others = turns_of_otlp(
                    lines, str(options.otlp), session_id=options.session, since_s=options.since
                )
        except OSError as error:
            raise LatencyError(f"{options.otlp} cannot be read: {error.strerror}") from error
        return turns, others, f"{window}{of_session}"
    if options.since or options.session:
        raise LatencyError("a report is of one call and without times: --since and --session go with --redis or --otlp")
    return _of_report(options.report)


def _of_report(chosen: str | None) -> tuple[list[Turn], int, str]:
    if chosen == "-":
        return *turns_of_report(sys.stdin.read(), STDIN), STDIN
    path = Path(chosen) if chosen else DEFAULT_REPORT
    try:
        text = path.read_text()
    except OSError as error:
        hint = "" if chosen else ": run `parley demo` first, or choose --report, --redis or --otlp"
        raise LatencyError(f"{path} cannot be read ({error.strerror}){hint}") from error
    return *turns_of_report(text, str(path)), str(path)
