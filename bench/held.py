"""Calls held over a system by a load generator in a process of its own, and what that cost: one entry of `runs`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.crowd import Lateness
from bench.machine import Reading, Window
from bench.rhythm import END_FRAMES
from bench.stack import ROOT, Stack
from bench.stats import percentile, spread

GRACE_S = 60.0
"""What a load generator may take beyond its plan."""
_LINE_LIMIT = 1 << 26


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: how many calls, for how long, and what the callers are like."""

    calls: int
    steady_s: float
    sends_progress: bool = False
    warm_up_s: float = 6.0
    reply_ms: int = 1600
    barge_ins: float = 0.0
    """Share of the answers that is spoken over."""
    hang_ups: bool = False
    lateness: Lateness = "none"
    end_frames: int = END_FRAMES

    def options(self) -> list[str]:
        """Return the load generator's command line."""
        return [
            *("--calls", str(self.calls), "--steady-s", str(self.steady_s), "--warm-up-s", str(self.warm_up_s)),
            *("--reply-ms", str(self.reply_ms), "--barge-ins", str(self.barge_ins)),
            *("--end-frames", str(self.end_frames), "--lateness", self.lateness),
            *(["--progress"] if self.sends_progress else []),
            *(["--hang-ups"] if self.hang_ups else []),
        ]


@dataclass(frozen=True, slots=True)
class Watched:
    """What a load generator told, and what the processes cost meanwhile."""

    before: Reading
    """Before the first call."""
    window: Window
    """The steady part."""
    told: dict[str, Any]


async def watched(
    plan: Plan, command: Sequence[str], pids: Mapping[str, int], environment: Mapping[str, str] | None = None
) -> Watched:
    """Run a load generator, known as "load" beside `pids`. Raises RuntimeError where it breaks off."""
    load = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, limit=_LINE_LIMIT
    )
    assert load.stdout is not None
    all_pids = {**pids, "load": load.pid}
    try:
        async with asyncio.timeout(plan.steady_s + plan.warm_up_s + GRACE_S):
            await _line(load.stdout, "up")
            before = Reading.take(all_pids)
            await _line(load.stdout, "steady")
            first = Reading.take(all_pids)
            await _line(load.stdout, "end")
            window = Window.between(first, Reading.take(all_pids))
            return Watched(before, window, json.loads(await load.stdout.readline()))
    finally:
        if load.returncode is None:
            load.terminate()
        await load.wait()


async def _line(stream: asyncio.StreamReader, at: str) -> None:
    said = await stream.readline()
    if not said or json.loads(said).get("at") != at:
        raise RuntimeError(f"the load generator broke off before {at!r}: see above")


@asynccontextmanager
async def echo() -> AsyncIterator[str]:
    """Run the yardstick; yield its host:port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.echo", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.terminate()
        await process.wait()


async def run(stack: Stack, plan: Plan) -> dict[str, Any]:
    """Hold `plan.calls` calls over a stack and return what they cost."""
    async with echo() as echo_target:
        targets = ["--target", stack.target("orchestrator"), "--echo", echo_target]
        command = [sys.executable, "-m", "bench.load", *targets, *plan.options()]
        return summary(plan, await watched(plan, command, stack.pids))


def summary(plan: Plan, seen: Watched, service: str = "orchestrator") -> dict[str, Any]:
    """Return one entry of `runs`; CPU and memory of the whole are those of `service`."""
    window, load = seen.window, seen.told
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
        "turn_p95_ms": _ms(series, 95),
        "turn_p99_ms": _ms(series, 99),
        "turn_in_series": {"n": len(series)} | spread(series),
        "turn_transcript_ready": {"n": len(ready)} | spread(ready),
        "barge_in": {"n": len(load["barge_in_ms"]), "unnoticed": load["unnoticed"]} | spread(load["barge_in_ms"]),
        "lines": {name: spread([total for total, _ in taken]) for name, taken in load["hops_ms"].items()},
        "hops_p50_ms": {
            name: {"total": _ms([total for total, _ in taken], 50), "server": _ms([server for _, server in taken], 50)}
            for name, taken in load["hops_ms"].items()
        },
        "cpu_s_per_call_minute": round(window.cpu_s[service] / minutes, 3),
        "cpu_s_per_call_minute_all": round(
            sum(spent for name, spent in window.cpu_s.items() if name != "load" or service == "load") / minutes, 3
        ),
        "cpu_cores": {name: round(spent / seconds, 3) for name, spent in window.cpu_s.items()},
        "rss_mb": window.rss_mb[service],
        "rss_mb_by_service": dict(window.rss_mb),
        "rss_mb_a_call": round((window.rss_mb[service] - seen.before.rss_mb[service]) / plan.calls, 3),
        "answers": answers(load["answers"]),
        "echo": {"n": len(load["echo_ms"])} | spread(load["echo_ms"]),
        "other_processes_cores": round(window.others_cores, 2),
        "caller_late": spread(load["late_ms"]),
        "frames_sent_per_s": round(load["sent"] / seconds, 1),
        "events_per_s": {name: round(count / seconds, 2) for name, count in sorted(load["events"].items())},
        "call_counts": load["calls"],
        "unanswered_turns": load["unanswered"],
        "interrupted_turns": load["interrupted"],
        "failures": load["failures"],
    }


def answers(told: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return what the summaries of a run's turns tell of its answers, and of those that were begun on a guess."""
    hits = [answer for answer in told if answer["is_hit"]]
    return {
        "n": len(told),
        "hits": len(hits),
        "response": spread([answer["response_ms"] for answer in told], digits=1),
        "hit_response": spread([answer["response_ms"] for answer in hits], digits=1),
        "hit_commit_to_audio": spread([answer["commit_to_audio_ms"] for answer in hits], digits=1),
        "hidden": spread([answer["hidden_ms"] for answer in hits], digits=1),
    }


def _ms(values: Sequence[float], percent: float) -> float | None:
    return round(percentile(values, percent), 2) if values else None
