"""Streaming against waiting for the whole of each stage: out/bench/sequential.json. See bench/README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.held import Plan, run
from bench.machine import real_time
from bench.orchestration import ENVIRONMENT
from bench.speculation import OFF
from bench.stack import running

REPLY = (
    "we are open from nine to five on weekdays. on saturdays we close at noon. "
    "would you like me to book you an appointment for next week?"
)
WORD_MS = 200
STAGES = {
    "PARLEY_ASR_FAKE_FINAL_DELAY_MS": "30",
    "PARLEY_LLM_FAKE_REPLY": REPLY,
    "PARLEY_LLM_FAKE_FIRST_DELAY_MS": "100",
    "PARLEY_LLM_FAKE_DELTA_DELAY_MS": "15",
    "PARLEY_LLM_FAKE_WORDS_PER_DELTA": "1",
    "PARLEY_TTS_FAKE_WORD_MS": str(WORD_MS),
    "PARLEY_TTS_FAKE_FIRST_AUDIO_MS": "40",
    "PARLEY_TTS_FAKE_REAL_TIME_FACTOR": "0.1",
    "PARLEY_TTS_FAKE_CHUNK_MS": "100",
}
"""Assumed: a model that says 66 words a second, and a voice at ten times real time."""
REPLY_MS = WORD_MS * len(REPLY.split())
FULL, QUICK = Plan(4, 45, reply_ms=REPLY_MS), Plan(2, 14, warm_up_s=4, reply_ms=REPLY_MS)
SYSTEMS = {"streaming": "", "sequential": "bench.sequential_orchestrator"}


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Hold the same calls over the same stages with Parley's orchestrator and with one that does not stream."""
    plan = QUICK if quick else FULL
    entries = {}
    with real_time() as scheduling:
        for name, module in SYSTEMS.items():
            modules = {"orchestrator": module} if module else None
            async with running(f"sequential_{name}", ENVIRONMENT | STAGES | OFF, modules) as stack:
                entries[name] = await run(stack, plan)
    return {"scheduling": scheduling, "reply_ms": REPLY_MS, "saved": saved(entries)} | entries


def saved(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """Return how much sooner the streamed answer is heard, turns of both kinds, by percentile."""
    made: dict[str, float | None] = {}
    for kind in ("turn_in_series", "turn_transcript_ready"):
        for part in ("p50_ms", "p95_ms"):
            waited, streamed = entries["sequential"][kind][part], entries["streaming"][kind][part]
            key = f"{kind.removeprefix('turn_')}_{part}"
            made[key] = None if waited is None or streamed is None else round(waited - streamed, 1)
    return made


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return title, columns and rows of what a person reads."""
    rows = [
        [name, *(_told(result[name][kind][part]) for kind, part in _CELLS), str(result[name]["turns"])]
        for name in SYSTEMS
    ]
    cells = [_told(result["saved"][f"{kind.removeprefix('turn_')}_{part}"]) for kind, part in _CELLS]
    rows.append(["saved", *cells, ""])
    title = f"from the end of the turn to the first audio of an answer of {result['reply_ms'] / 1000:.1f} s, ms"
    return [(title, ("", "p50", "p95", "transcript ready p50", "p95", "turns"), rows)]


_CELLS = tuple((kind, part) for kind in ("turn_in_series", "turn_transcript_ready") for part in ("p50_ms", "p95_ms"))


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
