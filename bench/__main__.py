"""Run the measurements: `make bench`, or `python -m bench [NAME...] [--quick]`.

Writes out/bench/<name>.json. Exits 0 also where a goal is missed, which is a result; 1 where a measurement failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench import (
    barge_in,
    colocation,
    endpointing,
    machine,
    orchestration,
    overlap,
    prefill,
    routing,
    sequential,
    speculation,
    tools,
    tracing,
    under_load,
    voice_to_voice,
    wording,
)
from bench.goals import Outcome, outcomes
from bench.peers import measure as peers
from bench.stack import OUT

Measure = Callable[..., Coroutine[Any, Any, dict[str, Any]]]
BENCHES: dict[str, tuple[Measure, Callable[[Coroutine[Any, Any, dict[str, Any]]], dict[str, Any]]]] = {
    "orchestration": (orchestration.measure, uvloop.run),
    "load": (under_load.measure, uvloop.run),
    "sequential": (sequential.measure, uvloop.run),
    "speculation": (speculation.measure, uvloop.run),
    "colocation": (colocation.measure, uvloop.run),
    "tracing": (tracing.measure, uvloop.run),
    "tools": (tools.measure, uvloop.run),
    "endpointing": (endpointing.measure, asyncio.run),
    "routing": (routing.measure, asyncio.run),
    "wording": (wording.measure, asyncio.run),
    "peers": (peers.measure, uvloop.run),
    "voice_to_voice": (voice_to_voice.measure, asyncio.run),
    "barge_in": (barge_in.measure, asyncio.run),
    "overlap": (overlap.measure, asyncio.run),
    "prefill": (prefill.measure, asyncio.run),
}
"""By name: what measures, and on which event loop. uvloop's clock ticks in whole milliseconds, too coarse for a caller
whose events are timed by it."""
TABLES: dict[str, Callable[[Mapping[str, Any]], list[tuple[str, Sequence[str], list[list[str]]]]]] = {
    "load": under_load.tables,
    "sequential": sequential.tables,
    "speculation": speculation.tables,
    "colocation": colocation.tables,
    "tracing": tracing.tables,
    "tools": tools.tables,
    "endpointing": endpointing.tables,
    "routing": routing.tables,
    "wording": wording.tables,
    "peers": peers.tables,
    "overlap": overlap.tables,
    "prefill": prefill.tables,
}
"""What is told of a result beside its goals: title, columns, rows."""
ONLY_BY_NAME = ("peers", "prefill")
"""Not measured unless named: the one installs what others ship, the other needs an environment with vLLM."""
_NAMES_HELP = f"one of {', '.join(BENCHES)}; none: all but {', '.join(ONLY_BY_NAME)}"
_WIDTH = 180
"""Of the tables, where the output is no terminal."""
_COLOURS = {"ok": "green", "missed": "red", "not measured": "yellow", "": "dim"}


async def _timed(measure: Measure, quick: bool) -> dict[str, Any]:
    began_s = time.monotonic()
    result = await measure(quick=quick)
    return {"machine": machine.describe(), "quick": quick, "took_s": round(time.monotonic() - began_s)} | result


def main() -> int:
    """Run what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Parley on this machine.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHES)}; none: all but {', '.join(ONLY_BY_NAME)}"
    )
    parser.add_argument("--quick", action="store_true", help="a few turns of each: to see that it works")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHES]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    results: dict[str, dict[str, Any]] = {}
    failed = []
    OUT.mkdir(parents=True, exist_ok=True)
    for name in options.names or [name for name in BENCHES if name not in ONLY_BY_NAME]:
        console.print(f"measuring {name} ...", style="bold")
        try:
            measure, run = BENCHES[name]
            results[name] = run(_timed(measure, options.quick))
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        (OUT / f"{name}.json").write_text(json.dumps(results[name], indent=2) + "\n")
        failed += [name] * bool(faults(results[name]))
        for fault in faults(results[name]):
            console.print(f"  {fault}", style="red", markup=False)
        for title, columns, rows in TABLES[name](results[name]) if name in TABLES else []:
            console.print(plain_table(title, columns, rows))
    console.print(table(outcomes(results)))
    console.print(f"written to {OUT}/", style="dim")
    if failed:
        console.print(f"failed: {', '.join(failed)}", style="bold red")
    return 1 if failed else 0


def faults(result: Mapping[str, Any]) -> list[str]:
    """Return what went wrong in a measurement, itself and its parts: calls that broke, turns that were not answered."""
    parts = [result, *result.get("runs", []), *(part for part in result.values() if isinstance(part, Mapping))]
    found: list[str] = [str(fault) for part in parts for fault in part.get("failures", [])]
    return found + [
        f"{part['unanswered_turns']} turns were not answered" for part in parts if part.get("unanswered_turns")
    ]


def plain_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table for a person to read: names on the left, figures on the right."""
    made = Table(title=title or None, title_justify="left")
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    for row in rows:
        made.add_row(*row)
    return made


def table(rows: list[Outcome]) -> Table:
    """Return the outcomes for a person to read."""
    made = Table()
    for column in ("bench", "figure"):
        made.add_column(column)
    for column in ("measured", "goal"):
        made.add_column(column, justify="right")
    made.add_column("")
    for row in rows:
        goal, unit = row.goal, f" {row.goal.unit}".rstrip()
        measured = "-" if row.measured is None else f"{row.measured:g}{unit}"
        most = "" if goal.most is None else f"<= {goal.most:g}{unit}"
        made.add_row(goal.bench, goal.what, measured, most, f"[{_COLOURS[row.verdict] or 'dim'}]{row.verdict}")
    return made


if __name__ == "__main__":
    sys.exit(main())
