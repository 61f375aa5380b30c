"""Speech over the agent, with the embedded default engines: out/bench/overlap.json. See bench/README.md.

Each case is a call: the agent greets at length, and 2 s into the greeting something is heard at the microphone: an
interruption, a listener's word, a cough, a noise, the agent's own echo, or an interruption over the echo. Once with an
agent that tells its echo, once with `turn.echo: false`, both in one run and over the same services.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from bench.onset import onset_ms
from bench.overlap_set import RATE_HZ, Case, answer_of, cases, noise_under
from bench.stack import OUT, ROOT, Stack, running
from parley import events
from parley.client import Conversation
from parley.errors import CallError

FRAME_MS = 20
FRAME = RATE_HZ * FRAME_MS // 1000
AFTER_MS = 2_000
"""How much of the greeting is heard before anything is said over it."""
WATCH_MS = 4_500
"""How long the call is watched after that."""
AT_ONCE = 4
GREETING = (
    "Thank you for calling the practice. We are open from nine in the morning until half past five, Monday to Friday. "
    "You can book an appointment, move one that you have, or ask about our treatments and what they cost. "
    "I will be glad to help you with any of these things today."
)
MODES = ("on", "off")
SPOKEN = ("interruption", "backchannel", "in noise", "backchannel in noise", "double talk")


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Hold every case's call in both modes, a few at a time."""
    agents = OUT / "overlap" / "agents"
    agents.mkdir(parents=True, exist_ok=True)
    for mode in MODES:
        (agents / f"{mode}.yaml").write_text(_agent(mode))
    async with running("overlap", {"PARLEY_ORCHESTRATOR_AGENTS_DIR": str(agents)}) as stack:
        told = await cases(stack.target("tts"), quick=quick)
        places = asyncio.Semaphore(AT_ONCE)
        jobs = [_held(stack, case, mode, places) for case in told for mode in MODES]
        results = await asyncio.gather(*jobs)
    failures = [result["failure"] for result in results if result.get("failure")]
    seen = [result for result in results if not result.get("failure")]
    return {"failures": failures, "cases": seen} | {
        mode: _summary([result for result in seen if result["mode"] == mode]) for mode in MODES
    }


def _agent(mode: str) -> str:
    """Return the appointments agent with a long greeting, and with or without its echo told."""
    folder = ROOT / "agents"
    whole = (folder / "appointments.yaml").read_text().replace("grammars/", f"{folder.resolve()}/grammars/")
    lines = [line for line in whole.splitlines() if not line.startswith(("name:", "greeting:"))]
    kept = "\n".join(line + "\n  echo: false" * (line == "turn:" and mode == "off") for line in lines)
    return f'name: "{mode}"\ngreeting: "{GREETING}"\n{kept}\n'


@dataclass(slots=True)
class _Line:
    """One call's microphone and loudspeaker."""

    call: Conversation
    case: Case
    said_from_ms: float = 0.0
    speech_end_ms: float = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        chance = np.random.default_rng(5)
        echo = self.case.echo
        answer = answer_of(echo) if echo else np.zeros(1)
        way = deque(np.zeros(FRAME) for _ in range(echo.lag_ms // FRAME_MS if echo else 0))
        played = np.zeros(len(answer) - 1)
        pending = deque(
            np.frombuffer(self.case.pcm[at : at + 2 * FRAME].ljust(2 * FRAME, b"\0"), "<i2").astype(float)
            for at in range(0, len(self.case.pcm), 2 * FRAME)
        )
        due_s = loop.time()
        while not self.call.has_ended:
            played = np.concatenate([played, np.frombuffer(self.call.playback.pull(FRAME), "<i2").astype(float)])
            way.append(np.convolve(played, answer, "valid") if echo else np.zeros(FRAME))
            played = played[FRAME:]
            heard = way.popleft() + noise_under(self.case, FRAME, chance)
            if pending and self.call.playback.position.played_ms >= AFTER_MS:
                self.said_from_ms = self.said_from_ms or self.call.elapsed_ms
                heard = heard + pending.popleft()
                self.speech_end_ms = self.call.elapsed_ms
            await self.call.send_audio(np.clip(heard, -32768, 32767).astype("<i2").tobytes())
            due_s += FRAME_MS / 1000
            await asyncio.sleep(due_s - loop.time())


async def _held(stack: Stack, case: Case, mode: str, places: asyncio.Semaphore) -> dict[str, Any]:
    async with places:
        told: dict[str, Any] = {"mode": mode, "kind": case.kind, "what": case.what, "is_meant": case.is_meant}
        try:
            return told | await _hold(stack, case, mode)
        except (CallError, TimeoutError) as error:
            return told | {"failure": f"{case.what}: {error!r}"}


async def _hold(stack: Stack, case: Case, mode: str) -> dict[str, Any]:
    seen: list[events.Event] = []
    async with Conversation(
        stack.target("orchestrator"), agent=mode, playback="device", sample_rate_hz=RATE_HZ
    ) as call:
        line = _Line(call, case)
        speaking = asyncio.create_task(line.run())
        try:
            async with asyncio.timeout((AFTER_MS + WATCH_MS + 3000) / 1000):
                async for event in call:
                    seen.append(event)
                    if line.said_from_ms and call.elapsed_ms > line.said_from_ms + WATCH_MS:
                        break
        except TimeoutError:
            pass  # an echo may keep the agent from ever coming so far
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
    return _what_came_of(case, line, seen)


def _what_came_of(case: Case, line: _Line, seen: Sequence[events.Event]) -> dict[str, Any]:
    since_ms = line.said_from_ms
    paused = [e.at_ms for e in seen if isinstance(e, events.PlaybackPaused)]
    resumed = [e.at_ms for e in seen if isinstance(e, events.PlaybackResumed)]
    cleared = [e.at_ms for e in seen if isinstance(e, events.PlaybackCleared)]
    is_said = bool(case.pcm) and bool(since_ms)
    onset = since_ms + (onset_ms(case.pcm, RATE_HZ) if is_said and case.kind in SPOKEN else 0.0)
    first = next((at for at in paused if is_said and at >= since_ms), None)
    after = next((at for at in resumed if first is not None and at > first), None)
    return {
        "interrupted": any(at >= since_ms for at in cleared) if is_said else bool(cleared),
        "pauses": len(paused),
        "paused_after_ms": None if first is None else first - onset,
        "silent_ms": None if first is None or after is None else after - first,
        "resumed_after_end_ms": None if after is None or case.is_meant else after - line.speech_end_ms,
        "played_ms": line.call.playback.position_of(1).played_ms,
    }


def _summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kinds = list(dict.fromkeys(str(result["kind"]) for result in results))
    return {kind: _of_kind([result for result in results if result["kind"] == kind]) for kind in kinds}


def _of_kind(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def middle(field: str) -> float | None:
        values = [result[field] for result in results if result[field] is not None]
        return round(median(values)) if values else None

    return {
        "cases": len(results),
        "false": sum(result["interrupted"] and not result["is_meant"] for result in results),
        "missed": sum(result["is_meant"] and not result["interrupted"] for result in results),
        "pauses": sum(result["pauses"] for result in results),
        "paused_after_p50_ms": middle("paused_after_ms"),
        "resumed_after_end_p50_ms": middle("resumed_after_end_ms"),
        "played_p50_ms": middle("played_ms"),
    }


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return what is told beside the goals."""
    figures = ("false", "missed", "pauses", "paused p50 ms", "resumed p50 ms", "played p50 ms")
    columns = ("kind", "cases", *(column for figure in figures for column in (f"{figure}, on", "off")))
    fields = ("false", "missed", "pauses", "paused_after_p50_ms", "resumed_after_end_p50_ms", "played_p50_ms")
    rows = [
        [kind, str(on["cases"]), *(_told(result[mode].get(kind, {}).get(field)) for field in fields for mode in MODES)]
        for kind, on in result["on"].items()
    ]
    return [("Speech over the agent", columns, rows)]


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
