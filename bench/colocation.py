"""What distance between the services costs, and what speculation would hide of it: out/bench/colocation.json.

See bench/README.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc.aio
from voice.asr.v1 import asr_pb2
from voice.tts.v1 import tts_pb2

from bench import stages
from bench.delay import Delays
from bench.held import Plan, run
from bench.load import SPEECH
from bench.machine import real_time
from bench.orchestration import ENVIRONMENT
from bench.peers.plan import REPLY_MS, SERIES_STAGES_MS, STAGE_DELAYS
from bench.speculation import OFF
from bench.stack import running
from bench.stats import spread
from services.orchestrator.stages.channels import METHODS

HOPS = ("asr", "llm", "tts")
"""What is far away. The turn detector stays with the orchestrator, as it would anywhere."""
DISTANCES_MS = {"none": 0.0, "colocated": 5.0, "distributed": 75.0}
"""Network time a hop, there and back together."""
ENDPOINTING_MS = 240
"""From the moment that a turn seems to be over to the moment that it is: about what real voices need."""
FULL, QUICK = Plan(4, 30, reply_ms=REPLY_MS), Plan(2, 10, warm_up_s=4, reply_ms=REPLY_MS)
ROUNDS, QUICK_ROUNDS = 25, 4
PAUSE_S = 0.02
MODES = ("series", "finalised_early", "speculating")


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Hold the same calls at each distance, and ask the stages directly in three ways."""
    plan, rounds = (QUICK, QUICK_ROUNDS) if quick else (FULL, ROUNDS)
    distances: dict[str, dict[str, Any]] = {}
    with real_time() as scheduling:
        for name, hop_ms in DISTANCES_MS.items():
            async with Delays(HOPS, hop_ms) as delays:
                environment = ENVIRONMENT | STAGE_DELAYS | OFF | delays.environment()
                async with running(f"colocation_{name}", environment, None, delays.lead_to) as stack:
                    call = await run(stack, plan)
                    chain = await _chains(delays.target, rounds)
            distances[name] = {"hop_ms": hop_ms, "chain": chain} | call
    return {"scheduling": scheduling, "endpointing_ms": ENDPOINTING_MS, "stages_ms": SERIES_STAGES_MS} | {
        "distances": distances,
        "network": network(distances),
        "failures": [f"{name}: {fault}" for name, entry in distances.items() for fault in entry["failures"]],
    }


def network(distances: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Return, for each distance, what of a turn's p50 is network: what it has beyond the same turn at none."""
    near = distances["none"]
    made: dict[str, dict[str, float | None]] = {}
    for name, entry in distances.items():
        if entry is near:
            continue
        alone = {mode: _beyond(entry["chain"][mode]["p50_ms"], near["chain"][mode]["p50_ms"]) for mode in MODES}
        made[name] = {
            "expected_ms": entry["hop_ms"] * len(HOPS),
            "turn_ms": _beyond(entry["turn_p50_ms"], near["turn_p50_ms"]),
            "total_ms": entry["turn_p50_ms"],
            **{f"{mode}_ms": value for mode, value in alone.items()},
            **{f"{mode}_total_ms": entry["chain"][mode]["p50_ms"] for mode in MODES},
            "hidden_by_finalising_early_ms": _beyond(alone["series"], alone["finalised_early"]),
            "hidden_by_speculation_ms": _beyond(alone["series"], alone["speculating"]),
        }
    return made


def _beyond(more: float | None, less: float | None) -> float | None:
    return None if more is None or less is None else round(more - less, 1)


async def _chains(target: Callable[[str], str], rounds: int) -> dict[str, dict[str, float | None]]:
    """Return the spread of each mode's latency from the end of a turn to the first audio, asked by a bare client."""
    channels = {stage: grpc.aio.insecure_channel(target(stage)) for stage in HOPS}
    methods: dict[str, Any] = {stage: channels[stage].stream_stream(METHODS[stage]) for stage in HOPS}
    asr, tts = methods["asr"](), methods["tts"]()
    configs = (
        (asr, asr_pb2.RecognizeRequest(config=asr_pb2.RecognizeConfig(format=stages.FORMAT))),
        (tts, tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(format=stages.FORMAT))),
    )
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    try:
        for stream, config in configs:
            await stream.write(config.SerializeToString())
            await stream.read()
        for number in range(1, rounds * len(MODES) + 1):
            mode = MODES[number % len(MODES)]
            reset = asr_pb2.RecognizeRequest(reset=asr_pb2.ResetUtterance(turn_epoch=number))
            await asr.write(reset.SerializeToString())
            await asr.write(SPEECH * 3)
            await asyncio.sleep(PAUSE_S)
            steps = _Steps(asr, methods["llm"], tts, number)
            times[mode].append(await _turn(mode, steps))
            await stages.drain(tts)
    finally:
        for stream, _ in configs:
            stream.cancel()
        for channel in channels.values():
            await channel.close()
    return {mode: spread(values) for mode, values in times.items()}


class _Steps:
    """The three requests of one turn."""

    def __init__(self, asr: Any, llm: Any, tts: Any, number: int) -> None:
        self._asr, self._llm, self._tts, self._number = asr, llm, tts, number

    async def finalise(self) -> None:
        await stages.finalise(self._asr, self._number)

    async def answer(self) -> None:
        await stages.generate(self._llm, self._number)
        await stages.speak(self._tts, self._number)

    async def all(self) -> None:
        await self.finalise()
        await self.answer()


async def _turn(mode: str, steps: _Steps) -> float:
    """Return the ms from the end of a turn, ENDPOINTING_MS after it seemed over, to the answer's first audio."""
    early: asyncio.Task[None] | None = None
    match mode:
        case "finalised_early":
            early = asyncio.create_task(steps.finalise())
        case "speculating":
            early = asyncio.create_task(steps.all())
    await asyncio.sleep(ENDPOINTING_MS / 1000)
    ended_s = time.perf_counter()
    if early is not None:
        await early
    if mode == "series":
        await steps.all()
    elif mode == "finalised_early":
        await steps.answer()
    return (time.perf_counter() - ended_s) * 1000


_NAMES = {
    "total_ms": "turn through the orchestrator, p50",
    "turn_ms": "of it network, measured",
    "expected_ms": "of it network, three hops by the clock",
    "series_total_ms": "stages asked directly, one after the other",
    "series_ms": "of it network",
    "finalised_early_total_ms": "the transcript finalised early",
    "finalised_early_ms": "of it network",
    "speculating_total_ms": "the whole answer begun early",
    "speculating_ms": "of it network",
    "hidden_by_finalising_early_ms": "network time hidden by finalising early",
    "hidden_by_speculation_ms": "network time hidden by speculation",
}


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return title, columns and rows of what a person reads."""
    names = list(result["network"])
    rows = [
        [told, *("-" if (value := result["network"][name][key]) is None else f"{value:.1f}" for name in names)]
        for key, told in _NAMES.items()
    ]
    columns = ["ms", *(f"{name} ({result['distances'][name]['hop_ms']:.0f} ms a hop)" for name in names)]
    return [(f"three hops; a turn is over {result['endpointing_ms']} ms after it seems so", columns, rows)]
