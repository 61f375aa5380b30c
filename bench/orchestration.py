"""What orchestration alone costs: out/bench/orchestration.json. See bench/README.md for what is counted."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import uvloop

from bench import stages
from bench.machine import Reading, Window, real_time
from bench.stack import FAKES, ROOT, Stack, running
from bench.stats import percentile, spread
from services.orchestrator.stages.channels import METHODS

REPLY = "one two three four five six seven eight"
WORD_MS = 200
REPLY_MS = WORD_MS * len(REPLY.split())
ENVIRONMENT = FAKES | {
    "PARLEY_ASR_FAKE_TEXTS": '["hello there how are you"]',
    "PARLEY_LLM_FAKE_REPLY": REPLY,
    "PARLEY_TTS_FAKE_WORD_MS": str(WORD_MS),
    "PARLEY_ORCHESTRATOR_AGENTS_DIR": str(ROOT / "bench" / "agents"),
    "PARLEY_ORCHESTRATOR_MAX_STREAMS": "500",
    "PARLEY_ASR_MAX_STREAMS": "500",
    "PARLEY_TURN_MAX_STREAMS": "500",
    "PARLEY_LLM_MAX_STREAMS": "500",
    "PARLEY_TTS_MAX_STREAMS": "500",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: how many calls, and for how long."""

    calls: int
    steady_s: float
    sends_progress: bool = False
    warm_up_s: float = 6.0


FULL = (Plan(1, 12), Plan(25, 15), Plan(50, 30), Plan(100, 15))
QUICK = (Plan(1, 5, warm_up_s=4), Plan(50, 10, warm_up_s=4))
COMPARED_CALLS = 50
PASSTHROUGH = {"orchestrator": "bench.passthrough"}
STUBS = dict.fromkeys(METHODS, "bench.stub")


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Measure all runs; beside them, in the same minutes, the bare pass-through and both over the barest stages."""
    with real_time() as scheduling:
        return {"scheduling": scheduling} | await _measure(QUICK if quick else FULL)


async def _measure(plans: Sequence[Plan]) -> dict[str, Any]:
    compared = next(plan for plan in plans if plan.calls == COMPARED_CALLS)
    short = replace(compared, steady_s=compared.steady_s / 2)
    async with running("orchestration", ENVIRONMENT) as stack:
        alone = await stages.measure(stack.target)
        runs = [await run(stack, plan) for plan in plans]
        acknowledged = await run(stack, replace(short, sends_progress=True))
    async with running("passthrough", ENVIRONMENT, PASSTHROUGH) as stack:
        baseline = await run(stack, compared)
    async with running("orchestration_stubs", ENVIRONMENT, STUBS) as stack:
        bare_alone = await stages.measure(stack.target)
        bare = await run(stack, short)
    async with running("passthrough_stubs", ENVIRONMENT, STUBS | PASSTHROUGH) as stack:
        bare_baseline = await run(stack, short)
    at_fifty = next(entry for entry in runs if entry["calls"] == COMPARED_CALLS)
    return {
        "runs": [_added(entry, alone) for entry in runs],
        "stages_alone": alone,
        "with_playback_progress": acknowledged,
        "passthrough": _added(baseline, alone),
        "ratio_to_passthrough": ratio(at_fifty, baseline),
        "over_bare_stages": {
            "run": _added(bare, bare_alone),
            "stages_alone": bare_alone,
            "passthrough": _added(bare_baseline, bare_alone),
            "ratio_to_passthrough": ratio(bare, bare_baseline),
        },
    }


def _added(run: dict[str, Any], alone: dict[str, Any]) -> dict[str, Any]:
    """Add what the run's latency has beyond the stages asked one after the other by a client of their own."""
    chain_ms: float = alone["chain"]["p50_ms"]
    if run["turn_p50_ms"] is None:
        return run
    return run | {f"added_{name}_ms": round(run[f"turn_{name}_ms"] - chain_ms, 2) for name in ("p50", "p99")}


async def run(stack: Stack, plan: Plan) -> dict[str, Any]:
    """Hold `plan.calls` calls over a stack and return what they cost."""
    echo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.echo", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert echo.stdout is not None
    try:
        port = int(await echo.stdout.readline())
        options = [
            *("--target", stack.target("orchestrator"), "--echo", f"127.0.0.1:{port}", "--calls", str(plan.calls)),
            *("--steady-s", str(plan.steady_s), "--warm-up-s", str(plan.warm_up_s), "--reply-ms", str(REPLY_MS)),
            *(["--progress"] if plan.sends_progress else []),
        ]
        return await _watch(stack, plan, options)
    finally:
        echo.terminate()
        await echo.wait()


async def _watch(stack: Stack, plan: Plan, options: Sequence[str]) -> dict[str, Any]:
    load = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.load", *options), cwd=ROOT, stdout=asyncio.subprocess.PIPE, limit=1 << 26
    )
    assert load.stdout is not None
    pids = stack.pids | {"load": load.pid}
    try:
        async with asyncio.timeout(plan.steady_s + plan.warm_up_s + 60):
            await _line(load.stdout, "steady")
            first = Reading.take(pids)
            await _line(load.stdout, "end")
            window = Window.between(first, Reading.take(pids))
            result = json.loads(await load.stdout.readline())
    finally:
        if load.returncode is None:
            load.terminate()
        await load.wait()
    return summary(plan, window, result)


async def _line(stream: asyncio.StreamReader, at: str) -> None:
    said = await stream.readline()
    if not said or json.loads(said).get("at") != at:
        raise RuntimeError(f"the load generator broke off before {at!r}: see above")


def summary(plan: Plan, window: Window, load: dict[str, Any]) -> dict[str, Any]:
    """Return one entry of `runs`."""
    minutes = plan.calls * window.seconds / 60
    series: list[float] = load["latency_ms"]["series"]
    ready: list[float] = load["latency_ms"]["ready"]
    seconds = window.seconds
    return {
        "calls": plan.calls,
        "sends_playback_progress": plan.sends_progress,
        "steady_s": round(seconds, 1),
        "turns": len(series) + len(ready),
        "turn_p50_ms": _ms(series, 50),
        "turn_p99_ms": _ms(series, 99),
        "turn_in_series": {"n": len(series)} | spread(series),
        "turn_transcript_ready": {"n": len(ready)} | spread(ready),
        "hops_p50_ms": {
            name: {"total": _ms([total for total, _ in taken], 50), "server": _ms([server for _, server in taken], 50)}
            for name, taken in load["hops_ms"].items()
        },
        "echo": {"n": len(load["echo_ms"])} | spread(load["echo_ms"]),
        "cpu_s_per_call_minute": round(window.cpu_s["orchestrator"] / minutes, 3),
        "rss_mb": window.rss_mb["orchestrator"],
        "cpu_cores": {name: round(spent / seconds, 3) for name, spent in window.cpu_s.items()},
        "other_processes_cores": round(window.others_cores, 2),
        "caller_late": spread(load["late_ms"]),
        "frames_sent_per_s": round(load["sent"] / seconds, 1),
        "events_per_s": {name: round(count / seconds, 2) for name, count in sorted(load["events"].items())},
        "unanswered_turns": load["unanswered"],
        "interrupted_turns": load["interrupted"],
        "failures": load["failures"],
    }


def _ms(values: Sequence[float], percent: float) -> float | None:
    return round(percentile(values, percent), 2) if values else None


def ratio(run: dict[str, Any], baseline: dict[str, Any]) -> dict[str, float]:
    """Return how a run compares with another, figure by figure: above 1 it costs more."""
    keys = ("turn_p50_ms", "turn_p99_ms", "cpu_s_per_call_minute", "rss_mb")
    return {key: round(run[key] / baseline[key], 2) for key in keys if run[key] and baseline[key]}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(quick="--quick" in sys.argv)), indent=2))
