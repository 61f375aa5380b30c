"""What tracing costs: the same calls with it on and off, turn by turn; out/bench/tracing.json.

The two are held in the order off, on, on, off, so that a machine that grows busier favours neither, each by services
started anew. All five services export to a collector in a process of its own, whose cost is not counted.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bench.held import Plan, run
from bench.machine import real_time
from bench.orchestration import ENVIRONMENT
from bench.stack import ROOT, running
from parley.launcher import DEFAULT_PORTS

ROUND = ("off", "on", "on", "off")
FULL = (Plan(25, 20, sends_progress=True), 2)
QUICK = (Plan(10, 6, sends_progress=True, warm_up_s=4), 1)


class Counted:
    """How many spans a collector got, once it has ended."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.spans = 0


@asynccontextmanager
async def collector() -> AsyncIterator[Counted]:
    """Run the collector as a process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.collector", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    counted = Counted(f"http://127.0.0.1:{int(await process.stdout.readline())}")
    try:
        yield counted
    finally:
        process.terminate()
        counted.spans = int(await process.stdout.readline() or 0)
        await process.wait()


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Hold the calls, and return the cost of each run and the ratio of their means."""
    plan, rounds = QUICK if quick else FULL
    held: dict[str, list[dict[str, Any]]] = {"off": [], "on": []}
    with real_time() as scheduling:
        for mode in ROUND * rounds:
            held[mode].append(await _hold(plan, is_on=mode == "on"))
    return {"scheduling": scheduling, "off": _mean(held["off"]), "on": _mean(held["on"]), "held": held} | {
        "ratio": ratios(held)
    }


async def _hold(plan: Plan, *, is_on: bool) -> dict[str, Any]:
    async with collector() as counted:
        told = {f"PARLEY_{name.upper()}_OTLP_ENDPOINT": counted.endpoint for name in DEFAULT_PORTS} if is_on else {}
        async with running(f"tracing_{'on' if is_on else 'off'}", ENVIRONMENT | told) as stack:
            entry = await run(stack, plan)
    if is_on and not counted.spans:
        raise RuntimeError("tracing is on, and the collector got no span")
    return entry | {"spans": counted.spans}


KEYS = ("cpu_s_per_call_minute", "cpu_s_per_call_minute_all", "turn_p50_ms", "turn_p99_ms")


def _mean(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: round(sum(known) / len(known), 4) if (known := [e[key] for e in entries if e[key] is not None]) else None
        for key in (*KEYS, "other_processes_cores")
    }
    return found | {
        "spans": sum(entry["spans"] for entry in entries),
        "turns": sum(entry["turns"] for entry in entries),
        "failures": [failure for entry in entries for failure in entry["failures"]],
        "unanswered_turns": sum(entry["unanswered_turns"] for entry in entries),
    }


def ratios(held: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float | None]:
    """Return what tracing costs, figure by figure: 1.05 is 5 % more than without it."""
    off, on = _mean(held["off"]), _mean(held["on"])
    return {key: round(on[key] / off[key], 3) if on[key] and off[key] else None for key in KEYS}


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return what a person is told."""
    rows = [
        [key.replace("_", " "), *(str(result[mode][key]) for mode in ("off", "on")), str(result["ratio"][key])]
        for key in KEYS
    ]
    return [("tracing", ("figure", "off", "on", "ratio"), rows)]
