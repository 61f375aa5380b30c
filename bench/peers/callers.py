"""Callers within a peer's own process: the frames of bench.load, handed over without a network. Standard library only.

Tells the same lines of JSON as bench.load. What its tasks cost is measured by the system `nothing` and told beside.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, cast, get_args

from bench.crowd import Lateness, Manners, visits
from bench.peers.plan import BYTES_A_MS
from bench.rhythm import END_FRAMES, FRAME_MS, Habits, Kind
from bench.tally import Account, Tally

FRAME_BYTES = FRAME_MS * BYTES_A_MS
SPEECH = b"\x10\x01" * (FRAME_BYTES // 2)
SILENCE = bytes(FRAME_BYTES)
RAMP_S = 0.03
PARTING_S = 30.0
"""How long a system may take to let all calls go."""
MOST_FAULTS = 20


class Ear:
    """What a system tells a caller: called by it, at the moment that the caller would hear it."""

    def __init__(self, tally: Tally) -> None:
        self.account = Account(tally)
        self._tally = tally

    def audio(self) -> None:
        """Take a piece of the agent's audio."""
        self.account.hears(time.perf_counter())
        self._tally.events["audio"] += self._tally.is_steady

    def silence(self) -> None:
        """Play no more of what is there."""
        self.account.is_told_to_stop(time.perf_counter())
        self._tally.events["silence"] += self._tally.is_steady

    def fault(self, what: str) -> None:
        """Something went wrong that the system reports by itself."""
        if len(self._tally.failures) < MOST_FAULTS:
            self._tally.failures.append(what[:300])


class Line(Protocol):
    """One call of a system under comparison."""

    async def open(self) -> None:
        """Bring the call up."""

    async def send(self, pcm: bytes) -> None:
        """Take 20 ms of the caller's audio."""

    async def close(self) -> None:
        """Let the call go."""


class Nothing:
    """No system at all: what the callers themselves cost."""

    def __init__(self, ear: Ear) -> None:
        self._ear = ear

    async def open(self) -> None:
        """Nothing to bring up."""

    async def send(self, pcm: bytes) -> None:
        """Take it and answer nothing."""

    async def close(self) -> None:
        """Nothing to let go."""


async def _speak(line: Line, ear: Ear, tally: Tally, seed: int, manners: Manners, phase_s: float) -> None:
    """Send a frame every 20 ms, for ever, as bench.load does."""
    loop = asyncio.get_running_loop()
    visit = next(visits(seed, manners))
    now_s = loop.time()
    due_s = now_s + (phase_s - now_s) % (FRAME_MS / 1000)
    for number, (kind, late_ms) in enumerate(zip(visit.frames, visit.late_ms, strict=False)):
        wait_s = due_s + late_ms / 1000 - loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        ear.account.sends(kind, time.perf_counter())
        await line.send(SPEECH if kind in (Kind.SPEECH, Kind.BARGE_IN) else SILENCE)
        if tally.is_steady:
            tally.sent += 1
            if number % 10 == 0:
                tally.late_ms.append((loop.time() - due_s) * 1000 - late_ms)
        due_s += FRAME_MS / 1000


async def run(make: Callable[[Ear], Line], options: argparse.Namespace) -> None:
    """Hold the calls and tell the result."""
    _tell({"at": "up"})
    tally = Tally()
    habits = Habits(options.reply_ms, options.barge_ins, options.end_frames)
    manners = Manners(habits, lateness=cast(Lateness, options.lateness))
    lines: list[Line] = []
    tasks: list[asyncio.Task[None]] = []
    for number in range(options.calls):
        ear = Ear(tally)
        line = make(ear)
        lines.append(line)
        await line.open()
        tally.calls["placed"] += 1
        phase_s = number * FRAME_MS / options.calls / 1000
        speaking = _speak(line, ear, tally, options.seed * 1000 + number, manners, phase_s)
        tasks.append(asyncio.create_task(speaking, name=f"speak-{number}"))
        await asyncio.sleep(RAMP_S)
    await asyncio.sleep(options.warm_up_s)
    tally.is_steady = True
    _tell({"at": "steady"})
    await asyncio.sleep(options.steady_s)
    tally.is_steady = False
    _tell({"at": "end"})
    tally.failures += [f"{task.get_name()}: {task.exception()!r}" for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    _tell(tally.result())
    try:
        async with asyncio.timeout(PARTING_S):
            await asyncio.gather(*(line.close() for line in lines), return_exceptions=True)
    except TimeoutError:
        print("the calls did not end in time", file=sys.stderr)


def _tell(said: dict[str, Any]) -> None:
    print(json.dumps(said), flush=True)


def parse() -> argparse.ArgumentParser:
    """Return the parser of bench.held.Plan.options(), to which a system may add its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--warm-up-s", type=float, required=True)
    parser.add_argument("--steady-s", type=float, required=True)
    parser.add_argument("--reply-ms", type=int, required=True)
    parser.add_argument("--barge-ins", type=float, default=0.0)
    parser.add_argument("--end-frames", type=int, default=END_FRAMES)
    parser.add_argument("--lateness", choices=get_args(Lateness), default="none")
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    asyncio.run(run(Nothing, parse().parse_args()))
