"""Cut-offs against delay: how turns are ended, beside fixed timers on the same audio; out/bench/endpointing.json.

Offline, in audio time, whatever else the machine does: `python -m bench endpointing`, or `python -m bench.endpointing
--recordings DIR_OF_WAVS` for recordings of one turn each, whose text nobody knows. Words, pauses and timing are decided
by a seed; espeak-ng's own noise is not, and may move a turn or two.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.endpointing_replay import JUDGED_MS, PARTIAL_LAG_MS, Ended, HeardTurn, Policy, Replay, hear
from bench.endpointing_set import LEAD_MS, RATE_HZ, TUNING_SEED, TURNS, Call, Turn, make_calls
from bench.stats import percentile
from bench.turn_eval import load
from services.common.audio import StreamResampler
from services.common.expected import Expected
from services.turn.endpointing import TurnRules
from services.turn.engine import Capabilities
from services.turn.engines.silero import SileroSmartTurn
from services.turn.gate import GateRules
from services.turn.settings import TurnSettings

SEEDS = (2, 3, 4)
"""Held out: what was tuned was tuned on TUNING_SEED."""
CALLS = 12
TIMERS_MS = (300, 500, 800, 1200)
OURS, TIMER = "ours", "timer of 500 ms"
_UNLEARNED = TurnRules(adapts=False)
_SPANS_MS = ((200, 1500), (300, 3000), (400, 3000), (600, 3000))
"""Other limits that an agent may set."""

POLICIES = (
    Policy(OURS),
    Policy("without learning", _UNLEARNED),
    Policy("without what was asked", knows_question=False),
    Policy("without either", _UNLEARNED, knows_question=False),
    *(
        Policy(f"{low} to {high} ms{', without learning' * (not adapts)}", TurnRules(0.5, low, high, adapts=adapts))
        for low, high in _SPANS_MS
        for adapts in (True, False)
    ),
    Policy("recogniser 400 ms late", partial_lag_ms=400),
    Policy("one word in ten misheard", misheard_share=0.1),
    *(Policy(f"timer of {timer_ms} ms", timer_ms=timer_ms) for timer_ms in TIMERS_MS),
)  # fmt: skip


async def measure(*, quick: bool = False, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Make the calls, and return how every policy ends their turns."""
    calls = [call for seed in seeds for call in make_calls(seed, 3 if quick else CALLS)]
    return await _measure(calls, POLICIES) | {"seeds": list(seeds), "tuned_on_seed": TUNING_SEED}


async def measure_recordings(folder: Path) -> dict[str, Any]:
    """Return how turns are ended that were recorded: one a file, its text not known, its end that of the file."""
    return await _measure(recorded(folder), [policy for policy in POLICIES if policy.timer_ms or policy.name == OURS])


def recorded(folder: Path) -> list[Call]:
    """Return each recording as a call of one turn."""
    calls = []
    for recording in load(folder, None):
        pcm = StreamResampler(recording.rate_hz, RATE_HZ).process(recording.pcm, last=True)
        lead = bytes((LEAD_MS - 500) * RATE_HZ // 1000 * 2)
        turn = Turn(lead + pcm, (), recording.true_end_ms + LEAD_MS - 500, (), Expected.UNSPECIFIED, 450.0)
        calls.append(Call(recording.name, (turn,)))
    return calls


async def _measure(calls: Sequence[Call], policies: Sequence[Policy]) -> dict[str, Any]:
    settings = TurnSettings(judge_deadline_ms=60_000, engine_timeout_ms=60_000)
    engine = SileroSmartTurn(settings)
    await engine.start()
    try:
        heard = [[await hear(engine, turn) for turn in call.turns] for call in calls]
        found = {policy.name: await _replay(engine, policy, calls, heard) for policy in policies}
    finally:
        await engine.close()
    pauses_ms = [pause_ms for call in calls for turn in call.turns for pause_ms in turn.pauses_ms]
    ours, timer = summary(found[OURS]), summary(found[TIMER])
    return {
        "calls": len(calls),
        "turns": sum(len(call.turns) for call in calls),
        "pauses": len(pauses_ms),
        "pause_p50_ms": round(percentile(pauses_ms, 50)) if pauses_ms else None,
        "pause_p90_ms": round(percentile(pauses_ms, 90)) if pauses_ms else None,
        "smart_turn_ms": JUDGED_MS,
        "partial_lag_ms": PARTIAL_LAG_MS,
        "policies": [{"name": name} | summary(ended) for name, ended in found.items()],
        "habits": [
            {"habit": habit, "name": name} | summary([one for one in found[name] if one.habit == habit])
            for habit in dict.fromkeys(call.habit for call in calls)
            for name in (OURS, "without learning", TIMER)
            if name in found
        ],
        "course": [
            {"name": name, "numbers": f"{first + 1} to {last}"}
            | summary([one for one in found[name] if first <= one.number < last])
            for name in (OURS, "without learning")
            for first, last in ((0, 3), (3, 6), (6, TURNS))
            if name in found and any(one.number >= first for one in found[name])
        ],
        "ratios": {key: _ratio(ours[key], timer[key]) for key in ("cut_off_share", "delay_p50_ms")},
    }


async def _replay(
    engine: SileroSmartTurn, policy: Policy, calls: Sequence[Call], heard: Sequence[Sequence[HeardTurn]]
) -> list[Ended]:
    capabilities: Capabilities = engine.capabilities
    if policy.timer_ms is not None:
        capabilities = replace(capabilities, uses_audio_model=False, fixed_delay_ms=policy.timer_ms, gate=GateRules())
    ended = []
    for seed, (call, turns) in enumerate(zip(calls, heard, strict=True)):
        ended += await Replay(engine, policy, capabilities, seed).run(call, turns)
    return ended


def summary(ended: Sequence[Ended]) -> dict[str, Any]:
    """Return the share of turns that were cut off, and how long after the caller was done turns ended."""
    delays_ms = [one.delay_ms for one in ended if one.delay_ms is not None]
    cut_offs = sum(one.is_cut_off for one in ended)
    return {
        "turns": len(ended),
        "cut_offs": cut_offs,
        "cut_off_share": round(cut_offs / len(ended), 4) if ended else None,
        "delay_p50_ms": round(percentile(delays_ms, 50)) if delays_ms else None,
        "delay_p90_ms": round(percentile(delays_ms, 90)) if delays_ms else None,
        "delay_mean_ms": round(sum(delays_ms) / len(delays_ms)) if delays_ms else None,
    }


def _ratio(ours: float | None, other: float | None) -> float | None:
    return round(ours / other, 3) if ours is not None and other else None


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return what a person is told."""
    columns = ("turns cut off", "of them all", "delay p50", "p90", "mean")
    title = f"endpointing: {result['turns']} turns"
    if result["pauses"]:
        title += f", {result['pauses']} pauses of p50 {result['pause_p50_ms']}, p90 {result['pause_p90_ms']} ms"
    rows = [[row["name"], *_cells(row)] for row in result["policies"]]
    made: list[tuple[str, Sequence[str], list[list[str]]]] = [(title, ("how turns end", *columns), rows)]
    if any(row["name"] != OURS for row in result["habits"]):
        rows = [[f"{row['habit']}: {row['name']}", *_cells(row)] for row in result["habits"]]
        made.append(("by the caller's habit", ("", *columns), rows))
    if len(result["course"]) > 2:
        rows = [[f"turns {row['numbers']}: {row['name']}", *_cells(row)] for row in result["course"]]
        made.append(("in the course of a call", ("", *columns), rows))
    return made


def _cells(row: Mapping[str, Any]) -> list[str]:
    if not row["turns"]:
        return ["-"] * 5
    delays = [f"{row[key]} ms" for key in ("delay_p50_ms", "delay_p90_ms", "delay_mean_ms")]
    return [str(row["cut_offs"]), f"{100 * row['cut_off_share']:.1f} %", *delays]


def main() -> None:
    """Measure by hand: other seeds, or recordings."""
    parser = argparse.ArgumentParser(prog="python -m bench.endpointing", description=main.__doc__)
    parser.add_argument("--recordings", type=Path, metavar="DIR_OF_WAVS", help="mono PCM16, one turn each")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help=f"{TUNING_SEED} is the tuning set")
    parser.add_argument("--json", action="store_true", help="print the whole result")
    options = parser.parse_args()
    result = asyncio.run(measure_recordings(options.recordings) if options.recordings else measure(seeds=options.seeds))
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for title, columns, rows in tables(result):
        print(title)
        for row in [list(columns), *rows]:
            print(f"  {row[0]:<40}" + "".join(f"{cell:>15}" for cell in row[1:]))


if __name__ == "__main__":
    main()
