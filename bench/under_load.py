"""Many callers with manners of their own, over fake stages: out/bench/load.json. See bench/README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.held import Plan, run
from bench.machine import real_time
from bench.orchestration import ENVIRONMENT
from bench.peers.plan import STAGE_DELAYS
from bench.stack import running

CALLERS = Plan(25, 30, sends_progress=True, barge_ins=0.25, hang_ups=True)
"""Callers who acknowledge playback, speak over a quarter of the answers, and hang up after 8 to 25 s to call again."""
FULL = (
    CALLERS,
    replace(CALLERS, lateness="bursts"),
    replace(CALLERS, calls=50, lateness="jitter"),
    replace(CALLERS, calls=100, lateness="jitter"),
)
QUICK = (replace(CALLERS, calls=4, steady_s=12, warm_up_s=3, lateness="bursts"),)
CROWD_SHARE = 1.2
"""Callers for each place in the run that has too many of them."""


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Hold each plan's calls over a stack of its own, then more callers than there are places."""
    plans = QUICK if quick else FULL
    with real_time() as scheduling:
        runs = [await _run(f"load_{plan.calls}_{plan.lateness}", plan) for plan in plans]
        places = plans[0].calls
        crowd = replace(plans[0], calls=round(places * CROWD_SHARE) + 1)
        crowded = await _run("load_crowded", crowd, {"PARLEY_ORCHESTRATOR_MAX_STREAMS": str(places)})
    return {"scheduling": scheduling, "runs": runs, "crowded": crowded | {"places": places}}


async def _run(name: str, plan: Plan, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    async with running(name, ENVIRONMENT | STAGE_DELAYS | dict(environment or {})) as stack:
        entry = await run(stack, plan)
    return {"lateness": plan.lateness, "services": services(entry, plan.calls)} | entry


def services(entry: Mapping[str, Any], calls: int) -> dict[str, dict[str, float]]:
    """Return CPU and memory of each service of a run."""
    return {
        name: {
            "cpu_s_per_call_minute": round(cores * 60 / calls, 3),
            "cpu_cores": cores,
            "rss_mb": entry["rss_mb_by_service"][name],
        }
        for name, cores in entry["cpu_cores"].items()
        if name != "load"
    }


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return title, columns and rows of what a person reads: each run, its latency lines, its services."""
    made: list[tuple[str, Sequence[str], list[list[str]]]] = []
    for entry in [*result["runs"], result["crowded"]]:
        counts = entry["call_counts"]
        title = (
            f"{entry['calls']} callers, lateness {entry['lateness']}: {counts.get('placed', 0)} calls placed, "
            f"{counts.get('refused', 0)} refused, {counts.get('hung_up', 0)} hung up, {len(entry['failures'])} failed"
        )
        lines = {
            "turn, all in series": entry["turn_in_series"],
            "turn, transcript ready": entry["turn_transcript_ready"],
        }
        lines |= {"barge-in": entry["barge_in"]} | dict(entry["lines"])
        rows = [[name, *(_told(told[f"{p}_ms"]) for p in ("p50", "p95", "p99"))] for name, told in lines.items()]
        made.append((title, ("line, ms", "p50", "p95", "p99"), rows))
        rows = [
            [name, f"{told['cpu_s_per_call_minute']:.2f}", f"{told['rss_mb']:.0f}"]
            for name, told in entry["services"].items()
        ]
        made.append(("", ("service", "CPU-s a call-minute", "MB"), rows))
    return made


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
