"""Parley, Pipecat and LiveKit Agents over the same fake stages, in one run: out/bench/peers.json.

See bench/README.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.held import Plan, run, summary, watched
from bench.machine import real_time
from bench.orchestration import ENVIRONMENT
from bench.peers import venvs
from bench.peers.plan import METHODS, READY_STAGES_MS, REPLY_MS, SERIES_STAGES_MS, STAGE_DELAYS
from bench.stack import ROOT, Stack, running

BARGE_INS = 0.3
STEADY_S = {1: 30, 25: 18, 50: 18}
"""By calls: one caller alone takes longer to say enough."""
WARM_UP_S = 8.0
"""Until every caller has had an answer: the first one costs every system more than any other."""
FULL = tuple(
    Plan(calls, steady_s, warm_up_s=WARM_UP_S, reply_ms=REPLY_MS, barge_ins=BARGE_INS)
    for calls, steady_s in STEADY_S.items()
)
QUICK = tuple(replace(plan, calls=calls, steady_s=8, warm_up_s=4) for plan, calls in zip(FULL, (1, 3), strict=False))
OVERLOAD_SHARE = 0.05
"""Of the turns, how many may go unanswered: beyond, what is heard of the others is no latency but a backlog."""


@dataclass(frozen=True, slots=True)
class System:
    """What answers the callers."""

    name: str
    title: str
    peer: str = ""
    """Whose environment it runs in; empty: Parley's own services."""
    module: str = ""
    uses_stages: bool = False
    """Whether it needs Parley's stages."""


SYSTEMS = (
    System("parley", "Parley, 5 network hops", uses_stages=True),
    System("pipecat", "Pipecat in process", "pipecat", "bench.peers.on_pipecat"),
    System("pipecat_grpc", "Pipecat, our stages", "pipecat", "bench.peers.on_pipecat", uses_stages=True),
    System("livekit", "LiveKit in process", "livekit", "bench.peers.on_livekit"),
)
CALLERS = System("callers", "callers alone", "livekit", "bench.peers.callers")


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Measure each system with each number of calls, and what the callers in a peer's process cost by themselves.

    All systems hold one number of calls before any holds the next, so that what else the machine does in some minute
    falls on all of them alike.
    """
    for peer in venvs.PEERS:
        await asyncio.to_thread(venvs.make, peer)
    runs: dict[str, list[dict[str, Any]]] = {system.name: [] for system in (*SYSTEMS, CALLERS)}
    with real_time() as scheduling:
        for plan in QUICK if quick else FULL:
            for system in SYSTEMS:
                runs[system.name].append(added(await _run(system, plan)))
        most = (QUICK if quick else FULL)[-1]
        runs[CALLERS.name].append(await _run(CALLERS, replace(most, steady_s=most.steady_s / 2, barge_ins=0.0)))
    own_cpu_s = runs[CALLERS.name][0]["cpu_s_per_call_minute"]
    systems = {
        name: {"runs": [_net(entry, name, own_cpu_s) | further(made[0], entry) for entry in made]}
        for name, made in runs.items()
    }
    return {
        "scheduling": scheduling,
        "versions": {peer: venvs.version_of(peer) for peer in venvs.PEERS},
        "stages_ms": {"series": SERIES_STAGES_MS, "ready": READY_STAGES_MS},
        "systems": systems,
        "ratios": {peer: ratios(systems["parley"]["runs"], systems[peer]["runs"]) for peer in ("pipecat", "livekit")},
        "failures": [
            f"{name}: {fault}" for name, made in runs.items() for entry in made for fault in entry["failures"]
        ],
    }


async def _run(system: System, plan: Plan) -> dict[str, Any]:
    if not system.uses_stages:
        return await _hold(system, plan, None)
    async with running(f"peers_{system.name}_{plan.calls}", ENVIRONMENT | STAGE_DELAYS) as stack:
        return await _hold(system, plan, stack)


async def _hold(system: System, plan: Plan, stack: Stack | None) -> dict[str, Any]:
    if not system.peer:
        assert stack is not None
        return await run(stack, plan)
    command = [str(venvs.python_of(system.peer)), "-m", system.module, *plan.options()]
    if stack is not None:
        command += ["--stages", json.dumps({stage: stack.target(stage) for stage in METHODS})]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    pids = {} if stack is None else {name: pid for name, pid in stack.pids.items() if name != "orchestrator"}
    seen = await watched(plan, command, pids, environment | {"PYTHONPATH": str(ROOT / "gen")})
    return summary(plan, seen, "load")


def added(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a run what each kind of turn has beyond what its stages take."""
    known = {"added_in_series": ("turn_in_series", SERIES_STAGES_MS)}
    known["added_transcript_ready"] = ("turn_transcript_ready", READY_STAGES_MS)
    return dict(entry) | {
        name: {
            part: None if entry[source][part] is None else round(entry[source][part] - stages_ms, 2)
            for part in ("p50_ms", "p95_ms", "p99_ms", "max_ms")
        }
        for name, (source, stages_ms) in known.items()
    }


def _net(entry: Mapping[str, Any], name: str, own_cpu_s: float) -> dict[str, Any]:
    """Take from a peer's CPU what the callers in its process cost."""
    in_process = name not in ("parley", CALLERS.name)
    return dict(entry) | {
        f"net_{key}": round(max(0.0, entry[key] - (own_cpu_s if in_process else 0.0)), 3)
        for key in ("cpu_s_per_call_minute", "cpu_s_per_call_minute_all")
    }


def is_overloaded(entry: Mapping[str, Any]) -> bool:
    """Return whether a system did not keep up."""
    asked: int = entry["turns"] + entry["unanswered_turns"]
    return bool(entry["unanswered_turns"] > OVERLOAD_SHARE * asked)


def further(first: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the memory that a call takes beyond the first, which brings what is loaded for all of them."""
    calls = entry["calls"] - first["calls"]
    return {"rss_mb_a_further_call": round((entry["rss_mb"] - first["rss_mb"]) / calls, 3) if calls > 0 else None}


def ratios(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return, for each number of calls, our figures as shares of theirs.

    None where theirs is not above zero, and none of latency where either did not keep up.
    """
    made = []
    for own, other in zip(ours, theirs, strict=True):
        pairs = {
            f"added_{part}": (own["added_in_series"][f"{part}_ms"], other["added_in_series"][f"{part}_ms"])
            for part in ("p50", "p95", "p99")
        }
        pairs["cpu"] = (own["net_cpu_s_per_call_minute"], other["net_cpu_s_per_call_minute"])
        pairs["barge_in_p95"] = (own["barge_in"]["p95_ms"], other["barge_in"]["p95_ms"])
        if is_overloaded(own) or is_overloaded(other):
            pairs = {"cpu": pairs["cpu"]}
        shares = {key: round(a / b, 3) for key, (a, b) in pairs.items() if a is not None and b is not None and b > 0}
        made.append({"calls": own["calls"]} | shares)
    return {"runs": made}


COLUMNS = (
    *("system", "calls", "turns", "unanswered", "added p50 / p95 / p99 ms", "transcript ready p50 / p95 ms"),
    *("barge-in p50 / p95 ms", "CPU-s a call-minute", "with stages", "MB", "MB a further call"),
)


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return title, columns and rows of what a person reads."""
    rows = [_row(system, entry) for system in (*SYSTEMS, CALLERS) for entry in result["systems"][system.name]["runs"]]
    versions = ", ".join(f"{peer} {version}" for peer, version in result["versions"].items())
    return [(f"the same stages ({result['stages_ms']['series']} ms in series) under each; {versions}", COLUMNS, rows)]


def _row(system: System, entry: Mapping[str, Any]) -> list[str]:
    latencies = [
        _told(entry.get("added_in_series"), "p50", "p95", "p99"),
        _told(entry.get("added_transcript_ready"), "p50", "p95"),
        _told(entry["barge_in"], "p50", "p95"),
    ]
    further_mb = entry["rss_mb_a_further_call"]
    if system is not CALLERS and is_overloaded(entry):
        latencies = ["overload"] * len(latencies)
    return [
        system.title,
        str(entry["calls"]),
        *(["-", "-"] if system is CALLERS else [str(entry["turns"]), str(entry["unanswered_turns"])]),
        *latencies,
        f"{entry['net_cpu_s_per_call_minute']:.2f}",
        f"{entry['net_cpu_s_per_call_minute_all']:.2f}",
        f"{entry['rss_mb']:.0f}",
        "-" if further_mb is None else f"{further_mb:.2f}",
    ]


def _told(spread: Mapping[str, float | None] | None, *parts: str) -> str:
    values = [None if spread is None else spread[f"{part}_ms"] for part in parts]
    return " / ".join("-" if value is None else f"{value:.1f}" for value in values)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(quick="--quick" in sys.argv)), indent=2))
