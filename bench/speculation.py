"""Answers begun before the turn is over, on against off: out/bench/speculation.json. See bench/README.md."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench import voice_to_voice
from bench.held import Plan, run
from bench.machine import real_time
from bench.orchestration import ENVIRONMENT, REPLY_MS
from bench.rhythm import FRAME_MS
from bench.stack import running
from parley import ports
from services.common.metrics import SPECULATION, SPECULATION_TOKENS_WASTED, Metric

TEXT = "hello there how are you"
OTHER = "hello there who are you"
OTHER_FINALS = 0.15
"""Share of the finals that say something else than the partials did."""
ENDPOINTING_MS = (200, 300, 500)
STAGES = {
    "PARLEY_ASR_FAKE_TEXTS": json.dumps([TEXT]),
    "PARLEY_ASR_FAKE_FINALS": json.dumps([OTHER if number % 20 in (6, 13, 19) else TEXT for number in range(20)]),
    "PARLEY_ASR_FAKE_FINAL_DELAY_MS": "80",
    "PARLEY_ASR_FAKE_PARTIAL_LAG_MS": "150",
    "PARLEY_ASR_FAKE_PARTIAL_CONFIDENCE": "0.9",
    "PARLEY_LLM_FAKE_FIRST_DELAY_MS": "120",
    "PARLEY_TTS_FAKE_FIRST_AUDIO_MS": "80",
}
"""What a GPU's stages take (the issue's figures): a final 80 ms, a first token 120 ms, a first audio 80 ms.

Partials are 150 ms behind, as those of a recogniser that decodes every 100 ms."""
OFF = {"PARLEY_ORCHESTRATOR_SPECULATION_MAX_OPEN": "0"}
MODES: dict[str, dict[str, str]] = {"on": {}, "off": OFF}
FULL, QUICK = Plan(12, 30, reply_ms=REPLY_MS), Plan(6, 12, warm_up_s=4, reply_ms=REPLY_MS)
BARGE_INS = 0.5
REAL_CALLS = (voice_to_voice.CALLS, voice_to_voice.TURNS_A_CALL)
"""Over the embedded default engines."""


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Hold the same calls with and without, at each endpointing delay; then over the embedded default engines."""
    plan = QUICK if quick else FULL
    delays = ENDPOINTING_MS[1:2] if quick else ENDPOINTING_MS
    with real_time() as scheduling:
        entries = [await _hold(plan, delay_ms, mode) for delay_ms in delays for mode in MODES]
        spoken_over = [await _hold(replace(plan, barge_ins=BARGE_INS), 300, mode) for mode in MODES]
    calls = voice_to_voice.plan(*((2, 3) if quick else REAL_CALLS))
    real = {mode: await voice_to_voice.measure_calls(calls, switch) for mode, switch in MODES.items()}
    return {
        "scheduling": scheduling,
        "held": entries,
        "spoken_over": spoken_over,
        "real": real,
        "worst": worst(entries, spoken_over, real),
        "failures": [fault for entry in (*entries, *spoken_over) for fault in entry["failures"]],
    }


async def _hold(plan: Plan, delay_ms: int, mode: str) -> dict[str, Any]:
    with ports.reserved(["metrics"]) as free:
        port = free["metrics"]
    settings = {
        "PARLEY_TURN_FAKE_END_OF_TURN_MS": str(delay_ms),
        "PARLEY_ORCHESTRATOR_METRICS_PORT": str(port),
        "PARLEY_ORCHESTRATOR_HOST": "127.0.0.1",
    }
    async with running("speculation", ENVIRONMENT | STAGES | settings | MODES[mode]) as stack:
        told = await run(stack, replace(plan, end_frames=-(-delay_ms // FRAME_MS)))
        counts = _counts(f"http://127.0.0.1:{port}/metrics")
    return {"endpointing_ms": delay_ms, "mode": mode} | summary(delay_ms, told) | counts


def summary(delay_ms: int, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the callers of one run waited, and what was hidden of it."""
    answers = told["answers"]
    p50_ms = answers["response"]["p50_ms"]
    return {
        "turns": answers["n"],
        "over_endpointing_p50_ms": None if p50_ms is None else round(p50_ms - delay_ms, 1),
        "hit_rate": round(answers["hits"] / answers["n"], 3) if answers["n"] else None,
        **{name: answers[name] for name in ("response", "hit_response", "hit_commit_to_audio", "hidden")},
        "barge_in": told["barge_in"],
        "cpu_s_per_call_minute": told["cpu_s_per_call_minute"],
        "other_processes_cores": told["other_processes_cores"],
        "failures": told["failures"],
    }


def worst(
    held: Sequence[Mapping[str, Any]], spoken_over: Sequence[Mapping[str, Any]], real: Mapping[str, Mapping[str, Any]]
) -> dict[str, float | None]:
    """Return the figures that have goals: the worst of all delays."""
    on = [entry for entry in held if entry["mode"] == "on"]
    barge_in = {entry["mode"]: entry["barge_in"]["p50_ms"] for entry in spoken_over}
    slower = None if None in barge_in.values() else round(barge_in["on"] - barge_in["off"], 1)
    hits = real["on"]["hits"] / real["on"]["n"] if real["on"]["n"] else None
    return {
        "over_endpointing_p50_ms": _most([entry["over_endpointing_p50_ms"] for entry in on]),
        "hit_commit_to_audio_p95_ms": _most([entry["hit_commit_to_audio"]["p95_ms"] for entry in on]),
        "barge_in_slower_p50_ms": slower,
        "real_p50_ms": real["on"]["p50_ms"],
        "real_miss_rate": None if hits is None else round(1 - hits, 3),
    }


def _most(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _counts(url: str) -> dict[str, int]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own endpoint
        text = answer.read().decode()
    return {
        "discarded": counted(text, SPECULATION, 'kind="reply"', 'outcome="discarded"'),
        "tokens_wasted": counted(text, SPECULATION_TOKENS_WASTED),
    }


def counted(text: str, metric: Metric, *labels: str) -> int:
    """Return a counter from an endpoint's `text`: the sum of the series that have all `labels`."""
    lines = (line for line in text.splitlines() if line.startswith(metric.prometheus_name))
    return round(sum(float(line.split()[-1]) for line in lines if all(label in line for label in labels)))


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return title, columns and rows of what a person reads."""
    columns = ("endpointing", "speculation", "voice to voice p50", "p95", "over the delay p50", "hits",
               "hit: commit to audio p50", "p95", "hidden p50", "discarded", "tokens wasted", "turns")  # fmt: skip
    rows = [
        [
            f"{entry['endpointing_ms']} ms", entry["mode"],
            *(_told(entry["response"][part]) for part in ("p50_ms", "p95_ms")),
            _told(entry["over_endpointing_p50_ms"]), f"{100 * (entry['hit_rate'] or 0):.0f} %",
            *(_told(entry["hit_commit_to_audio"][part]) for part in ("p50_ms", "p95_ms")),
            _told(entry["hidden"]["p50_ms"]), str(entry["discarded"]), str(entry["tokens_wasted"]), str(entry["turns"]),
        ]
        for entry in result["held"]
    ]  # fmt: skip
    over = [
        [entry["mode"], *(_told(entry["barge_in"][part]) for part in ("p50_ms", "p95_ms")), str(entry["barge_in"]["n"])]
        for entry in result["spoken_over"]
    ]
    real = [
        [mode, _told(told["p50_ms"]), _told(told["p95_ms"]), f"{told['hits']} of {told['n']}",
         _told(told["hidden"]["p50_ms"]), str(told["cut_offs"])]
        for mode, told in result["real"].items()
    ]  # fmt: skip
    share = round(100 * OTHER_FINALS)
    return [
        (f"fake stages at a GPU's delays (80, 120, 80 ms), {share} % of the finals other than the partials, ms",
         columns, rows),
        ("speech over the agent until it is told to be silent, ms", ("speculation", "p50", "p95", "n"), over),
        ("embedded default engines, made speech, ms",
         ("speculation", "voice to voice p50", "p95", "hits", "hidden p50", "cut off"), real),
    ]  # fmt: skip


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
