"""What each figure should be, and how it came out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of a result, and the most it may be."""

    bench: str
    what: str
    path: tuple[str | int, ...]
    """Where it stands in the bench's JSON; a number n stands for the entry of `runs` with n calls."""
    most: float | None
    """None: no goal, told for comparison."""
    unit: str = "ms"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A figure beside its goal."""

    goal: Goal
    measured: float | None

    @property
    def verdict(self) -> str:
        """ok, missed, not measured, or empty where there is no goal."""
        if self.measured is None:
            return "not measured"
        if self.goal.most is None:
            return ""
        return "ok" if self.measured <= self.goal.most else "missed"


GOALS = (
    Goal("orchestration", "50 calls: turn latency p50, all stages in series", ("runs", 50, "turn_p50_ms"), 2.5),
    Goal("orchestration", "50 calls: turn latency p99", ("runs", 50, "turn_p99_ms"), 8),
    Goal("orchestration", "50 calls: orchestrator CPU a call-minute", ("runs", 50, "cpu_s_per_call_minute"), 0.5, "s"),
    Goal("orchestration", "50 calls: p50 beyond the stages alone", ("runs", 50, "added_p50_ms"), None),
    Goal("orchestration", "stages alone, one after the other: p50", ("stages_alone", "chain", "p50_ms"), None),
    Goal("orchestration", "bare pass-through: turn latency p50", ("passthrough", "turn_p50_ms"), None),
    Goal("orchestration", "bare pass-through: turn latency p99", ("passthrough", "turn_p99_ms"), None),
    Goal("orchestration", "bare pass-through: CPU a call-minute", ("passthrough", "cpu_s_per_call_minute"), None, "s"),
    Goal("orchestration", "over bare stages: turn latency p50", ("over_bare_stages", "run", "turn_p50_ms"), None),
    Goal(
        "orchestration",
        "over bare stages, bare pass-through: p50",
        ("over_bare_stages", "passthrough", "turn_p50_ms"),
        None,
    ),
    Goal("orchestration", "50 calls: one bare gRPC round trip p50", ("runs", 50, "echo", "p50_ms"), None),
    Goal("orchestration", "50 calls: cores other processes took", ("runs", 50, "other_processes_cores"), None, ""),
    Goal("load", "25 callers who hang up and barge in: turn p50, all in series", ("runs", 25, "turn_p50_ms"), None),
    Goal("load", "25 callers: barge-in p95", ("runs", 25, "barge_in", "p95_ms"), None),
    Goal("load", "failed calls, too many callers for the places", ("crowded", "failures"), 0, ""),
    Goal("load", "refused calls, too many callers for the places", ("crowded", "call_counts", "refused"), None, ""),
    Goal(
        "sequential", "streaming instead of waiting for the whole of each stage saves, p50",
        ("saved", "in_series_p50_ms"), None,
    ),
    Goal("colocation", "three hops of 5 ms: network in a turn", ("network", "colocated", "turn_ms"), None),
    Goal("colocation", "three hops of 75 ms: network in a turn", ("network", "distributed", "turn_ms"), None),
    Goal(
        "colocation", "of it speculation would hide", ("network", "distributed", "hidden_by_speculation_ms"), None
    ),
    Goal("tracing", "orchestrator's CPU with tracing, to that without", ("ratio", "cpu_s_per_call_minute"), 1.05, ""),
    Goal("tracing", "CPU of all five services with tracing", ("ratio", "cpu_s_per_call_minute_all"), 1.05, ""),
    Goal("endpointing", "turns cut off, share of a 500 ms timer's", ("ratios", "cut_off_share"), 0.5, ""),
    Goal("endpointing", "delay p50, share of a 500 ms timer's", ("ratios", "delay_p50_ms"), 1, ""),
    Goal(
        "peers", "25 calls: added latency p95, share of Pipecat's",
        ("ratios", "pipecat", "runs", 25, "added_p95"), 0.25, "",
    ),
    Goal("peers", "25 calls: CPU, share of Pipecat's", ("ratios", "pipecat", "runs", 25, "cpu"), 0.333, ""),
    Goal(
        "peers", "50 calls: added latency p50, share of LiveKit's",
        ("ratios", "livekit", "runs", 50, "added_p50"), 1, "",
    ),
    Goal(
        "peers", "50 calls: added latency p99, share of LiveKit's",
        ("ratios", "livekit", "runs", 50, "added_p99"), 1, "",
    ),
    Goal("peers", "50 calls: CPU, share of LiveKit's", ("ratios", "livekit", "runs", 50, "cpu"), None, ""),
    Goal(
        "speculation", "voice to voice p50 beyond the endpointing delay, worst delay",
        ("worst", "over_endpointing_p50_ms"), 30,
    ),
    Goal(
        "speculation", "on a hit: commit to first audio p95, worst delay",
        ("worst", "hit_commit_to_audio_p95_ms"), 20,
    ),
    Goal("speculation", "barge-in p50, on less off", ("worst", "barge_in_slower_p50_ms"), 5),
    Goal("speculation", "default engines: voice to voice p50", ("worst", "real_p50_ms"), 300),
    Goal("speculation", "default engines: turns not answered from a guess", ("worst", "real_miss_rate"), 0.25, ""),
    Goal("voice_to_voice", "voice to voice p50", ("p50_ms",), 400),
    Goal("voice_to_voice", "voice to voice p95", ("p95_ms",), 800),
    Goal("voice_to_voice", "turns measured", ("n",), None, ""),
    Goal("voice_to_voice", "turns ended before the sentence was", ("cut_offs",), None, ""),
    Goal("voice_to_voice", "word error rate", ("word_error_rate",), None, ""),
    Goal("barge_in", "speech onset to playback paused p95", ("onset_to_paused_ms", "p95_ms"), 160),
    Goal("barge_in", "detection to playback paused p95", ("detected_to_paused_ms", "p95_ms"), 20),
    Goal("barge_in", "interruption to all cancelled, slowest", ("interruption_to_all_cancelled_ms", "max_ms"), 100),
    Goal("barge_in", "stale frames", ("stale_frames",), 0, ""),
    Goal("barge_in", "heard text wrong", ("heard_text_wrong",), 0, ""),
    Goal("barge_in", "trials", ("trials",), None, ""),
    Goal(
        "barge_in", "slow engines: interruption to all cancelled, slowest",
        ("slow_engines", "interruption_to_all_cancelled_ms", "max_ms"), 100,
    ),
    Goal("barge_in", "slow engines: stale frames", ("slow_engines", "stale_frames"), 0, ""),
    Goal("barge_in", "slow engines: heard text wrong", ("slow_engines", "heard_text_wrong"), 0, ""),
)  # fmt: skip


def outcomes(results: Mapping[str, Mapping[str, Any]]) -> list[Outcome]:
    """Return how the goals of the benches that ran came out, in order."""
    return [Outcome(goal, figure(results[goal.bench], goal.path)) for goal in GOALS if goal.bench in results]


def figure(result: Any, path: tuple[str | int, ...]) -> float | None:
    """Return the figure at `path`; of a list, its length; None where there is none."""
    for step in path:
        if isinstance(step, int):
            result = next((entry for entry in result if entry["calls"] == step), None)
        elif isinstance(result, Mapping):
            result = result.get(step)
        if result is None:
            return None
    return float(len(result) if isinstance(result, list) else result)
