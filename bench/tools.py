"""What a caller hears while a tool runs, with fillers and without, looked up ahead and not: out/bench/tools.json.

See bench/README.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.stack import FAKES, Stack, running
from bench.stats import spread
from parley import events
from parley.client import Conversation

RATE_HZ = 16000
TOOL_MS = (300, 1000, 3000)
FILLER = "one moment please"
ANSWER = "it is free"
WAYS: dict[str, dict[str, Any]] = {
    "in silence": {"fillers": []},
    "with fillers": {"fillers": [FILLER, "i am still looking", "nearly there"]},
    "looked up ahead": {"fillers": [FILLER], "prefetch": [{"after": "turn", "tool": "lookup"}]},
}
"""What the agent files say. Looked up ahead: while the caller is silent after an answer, for long enough."""
TURNS, QUICK_TURNS = 8, 2
PAUSE_MS = 500
"""Beyond the time of the tool, between two turns."""
TURN_S = 20.0
ENVIRONMENT = FAKES | {
    "PARLEY_LLM_FAKE_REPLY": ANSWER,
    "PARLEY_LLM_FAKE_TOOL_WHEN": "look",
    "PARLEY_LLM_FAKE_TOOL_NAME": "lookup",
    "PARLEY_TTS_FAKE_WORD_MS": "250",
}


@dataclass(slots=True)
class Heard:
    """What was heard of one turn, played without a break as it came; ms from the question on."""

    first_ms: float | None = None
    longest_silence_ms: float = 0.0
    end_ms: float = 0.0

    def take(self, at_ms: float, duration_ms: float) -> None:
        """Count audio that came at `at_ms`."""
        start_ms = max(at_ms, self.end_ms)
        if self.first_ms is None:
            self.first_ms = start_ms
        self.longest_silence_ms = max(self.longest_silence_ms, start_ms - self.end_ms)
        self.end_ms = start_ms + duration_ms


@asynccontextmanager
async def slow_tools() -> AsyncIterator[str]:
    """Serve a tool that takes as many milliseconds as its path says; yield its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # a look-up that the call's end cut off
            head = await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(int(head.split()[1].strip(b"/")) / 1000)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def write_agents(folder: Path, url: str) -> None:
    """Write an agent for each way and each time."""
    for number, fields in enumerate(WAYS.values()):
        for tool_ms in TOOL_MS:
            hook = {"url": f"{url}/{tool_ms}", "timeout_ms": 10_000}
            tool = {"name": "lookup", "description": "Looks up.", "parameters": {"type": "object"}, "webhook": hook}
            name = f"way{number}-{tool_ms}"
            agent = {"name": name, "prompt": "p", "tools": [tool | {"read_only": True}]} | fields
            (folder / f"{name}.yaml").write_text(json.dumps(agent))


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Ask each agent as often as planned, all at the same time, and return what was heard."""
    turns = QUICK_TURNS if quick else TURNS
    with tempfile.TemporaryDirectory() as folder:
        async with slow_tools() as url:
            write_agents(Path(folder), url)
            async with running("tools", ENVIRONMENT | {"PARLEY_ORCHESTRATOR_AGENTS_DIR": folder}) as stack:
                held = await asyncio.gather(
                    *(
                        _hold(stack, f"way{number}-{tool_ms}", turns, tool_ms)
                        for number in range(len(WAYS))
                        for tool_ms in TOOL_MS
                    )
                )
    cells = iter(held)
    return {"turns": turns} | {way: {str(tool_ms): _told(next(cells)) for tool_ms in TOOL_MS} for way in WAYS}


async def _hold(stack: Stack, agent: str, turns: int, tool_ms: int) -> list[Heard]:
    async with Conversation(stack.target("orchestrator"), agent=agent, sample_rate_hz=RATE_HZ) as call:
        await _ask(call)  # the first is not looked up ahead
        heard = []
        for _ in range(turns):
            await asyncio.sleep((tool_ms + PAUSE_MS) / 1000)
            heard.append(await _ask(call))
        return heard


async def _ask(call: Conversation) -> Heard:
    asked_ms = call.elapsed_ms
    heard = Heard()
    await call.text("please look")
    async with asyncio.timeout(TURN_S):
        async for event in call:
            if isinstance(event, events.AgentAudio):
                heard.take(event.at_ms - asked_ms, len(event.pcm) / 2 / RATE_HZ * 1000)
            elif isinstance(event, events.TurnSummary) and event.user_text:
                if not event.agent_text.endswith(ANSWER):
                    raise RuntimeError(f"a turn that was not answered: {event.agent_text!r} ({event.outcome})")
                return heard
    raise RuntimeError("the call ended before the answer")


def _told(heard: Sequence[Heard]) -> dict[str, Any]:
    return {
        "first_heard": spread([turn.first_ms for turn in heard if turn.first_ms is not None], digits=0),
        "longest_silence": spread([turn.longest_silence_ms for turn in heard], digits=0),
    }


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return title, columns and rows of what a person reads."""
    rows = [[way, *(f"{cell[part]['p50_ms']:.0f}" for cell in result[way].values() for part in cell)] for way in WAYS]
    columns = [f"{tool_ms / 1000:g} s: {what}" for tool_ms in TOOL_MS for what in ("first heard", "silence")]
    return [("from the question to the first word, and the longest silence: p50, ms", ("tool takes", *columns), rows)]
