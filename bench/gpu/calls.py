"""Calls through the real services: voice to voice. Callers run in processes of their own, sixteen to each.

python -m bench.gpu.calls --target H:P --speech FOLDER --calls 16 --turns 6     # JSON on standard output
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.caller import Caller
from bench.stats import spread
from bench.voice_to_voice import Call, Turn, ask
from parley.errors import CallError
from parley.listener import WaitedTooLong

AGENT = "bench"
CALLERS_A_PROCESS = 16
SPREAD_S = 4.0
"""Within this time the calls of one run begin."""
PAUSE_S = 1.5
"""The longest thinking pause of a caller."""
TURN_S = 45.0
"""What a turn may take with all its waiting; the deadline of a run is worked out from it."""
NOT_MEASURED = "a turn without a figure (an apology?): see the services' logs"
_PROMPT = """\
You are the front desk of a small dental practice. You speak: answer in one or two short sentences, without lists.
"""
_FACT = "Fact {number}: the practice at {number} Mill Lane opens at eight and closes at five, except on Sunday.\n"
PROMPT_FACTS = 35
"""So many facts that the prompt has about a thousand tokens."""


def agents(folder: Path, facts: int = PROMPT_FACTS) -> Path:
    """Write the folder of the measurement's one agent; return it. Its prompt has about 28 tokens a fact."""
    prompt = _PROMPT + "".join(_FACT.format(number=number) for number in range(1, facts + 1))
    content = {
        "name": AGENT,
        "description": "A long prompt, no tools: what the GPU measurement calls.",
        "greeting": "Hello. How can I help you?",
        "prompt": prompt,
        "llm": {"max_tokens": 60},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{AGENT}.yaml").write_text(json.dumps(content, indent=2))  # JSON is YAML
    return folder


async def measure(target: str, speech: Path, calls: int, turns: int) -> dict[str, Any]:
    """Hold `calls` calls at once and return what was measured. Raises RuntimeError where a process of callers fails."""
    sizes = [
        len(range(first, calls, -(-calls // CALLERS_A_PROCESS))) for first in range(-(-calls // CALLERS_A_PROCESS))
    ]
    async with asyncio.timeout(SPREAD_S + TURN_S * (turns + 1)):
        results = await asyncio.gather(
            *(_process(target, speech, size, turns, seed) for seed, size in enumerate(sizes))
        )
    return summary([Turn(**turn) for result in results for turn in result])


def summary(turns: Sequence[Turn]) -> dict[str, Any]:
    """Return the figures of the turns."""
    measured = [turn for turn in turns if turn.voice_to_voice_ms is not None]
    times = [turn.voice_to_voice_ms for turn in measured if turn.voice_to_voice_ms is not None]
    names = dict.fromkeys(name for turn in measured for name in turn.hops_ms)
    by_hop = {name: [turn.hops_ms[name] for turn in measured if name in turn.hops_ms] for name in names}
    return {
        "voice_to_voice": {"n": len(times), **spread(times, digits=1)},
        **{f"hop {name}": {"n": len(values), **spread(values, digits=1)} for name, values in by_hop.items()},
        "turns": len(turns),
        "turns_cut_off": sum(turn.is_cut_off or turn.turns > 1 for turn in turns),
        "failed": len(turns) - len(measured),
        "failures": sorted({turn.failure or NOT_MEASURED for turn in turns if turn.voice_to_voice_ms is None}),
    }


async def _process(target: str, speech: Path, calls: int, turns: int, seed: int) -> list[dict[str, Any]]:
    arguments = ["--target", target, "--speech", speech, "--calls", calls, "--turns", turns, "--seed", seed]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.gpu.calls", *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"the callers' process ended with {process.returncode}")
    turns_held: list[dict[str, Any]] = json.loads(out)
    return turns_held


async def hold(target: str, recordings: Sequence[bytes], turns: int, number: int, seed: int) -> list[Turn]:
    """Hold one call; a turn that does not come about ends it, and the rest count as failed."""
    chance = random.Random(seed * 1000 + number)
    await asyncio.sleep(chance.uniform(0, SPREAD_S))
    held: list[Turn] = []
    call = Call(AGENT, f"caller {number}", ())
    try:
        async with Caller(target, AGENT) as caller:
            await caller.greeted()
            for turn in range(turns):
                await asyncio.sleep(chance.uniform(0, PAUSE_S))
                held.append(await ask(caller, call, f"sentence {turn}", recordings[(number + turn) % len(recordings)]))
    except (CallError, WaitedTooLong) as error:
        held += [Turn(AGENT, call.voice, "", "", None, failure=str(error)) for _ in range(turns - len(held))]
    return held


async def _run(options: argparse.Namespace) -> list[Turn]:
    recordings = [path.read_bytes() for path in sorted(options.speech.glob("*.pcm"))]
    calls = (hold(options.target, recordings, options.turns, number, options.seed) for number in range(options.calls))
    return [turn for held in await asyncio.gather(*calls) for turn in held]


def main() -> None:
    """Hold calls and print their turns as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True, help="host:port of the orchestrator")
    parser.add_argument("--speech", type=Path, required=True, help="folder of *.pcm: 16 kHz, 16 bits, one channel")
    parser.add_argument("--calls", type=int, default=1)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    print(json.dumps([asdict(turn) for turn in asyncio.run(_run(parser.parse_args()))]))


if __name__ == "__main__":
    main()
