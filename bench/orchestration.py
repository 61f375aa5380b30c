"""What orchestration alone costs: out/bench/orchestration.json. See bench/README.md for what is counted."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import uvloop

from bench import stages
from bench.held import Plan, run
from bench.machine import real_time
from bench.stack import FAKES, ROOT, running
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


def ratio(run: dict[str, Any], baseline: dict[str, Any]) -> dict[str, float]:
    """Return how a run compares with another, figure by figure: above 1 it costs more."""
    keys = ("turn_p50_ms", "turn_p99_ms", "cpu_s_per_call_minute", "rss_mb")
    return {key: round(run[key] / baseline[key], 2) for key in keys if run[key] and baseline[key]}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(quick="--quick" in sys.argv)), indent=2))
