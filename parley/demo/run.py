"""The demo from end to end: start, call, check, report, stop."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from parley.client import Conversation
from parley.demo.caller import Played, play
from parley.demo.checks import busy_machine, find_faults
from parley.demo.desk import Desk, DeskCall
from parley.demo.script import AGENT, CALLER_VOICE, EXPECTED_CALLS, LOOKING_S, STEPS
from parley.errors import CallError, SpeechError
from parley.launcher import Launcher, LaunchPlan
from parley.report import call_summary
from parley.speech import synthesise
from parley.terminal import ProgressView
from parley.view import LiveView

OVERALL_DEADLINE_S = 240.0
SAMPLE_RATE_HZ = 16000
MEMORY_INTERVAL_S = 2.0
TOOLS_URL = "PARLEY_DEMO_TOOLS_URL"


async def run_demo(out_dir: Path, console: Console, deadline_s: float = OVERALL_DEADLINE_S) -> int:
    """Run the demo; write report.json and call.wav to `out_dir`. Returns 0 where everything came out right, else 1.

    Raises LaunchError where the services do not start.
    """
    with Desk(LOOKING_S) as desk:
        plan = LaunchPlan("free", is_owned=True, inherits_settings=False, extra_env={TOOLS_URL: desk.url})
        launcher = Launcher(plan, out_dir)  # its logs: not those of services that `parley up` started
        console.print("starting the services", style="bold")
        began = time.monotonic()
        try:
            with ProgressView(console) as view:
                await launcher.start(view.update)
            ready_s = round(time.monotonic() - began, 2)
            played, call = await _converse(launcher, console, deadline_s)
            faults = find_faults(played, STEPS, EXPECTED_CALLS, desk.calls)
            faults += [f"the {name} service ended by itself" for name in launcher.dead()]
        finally:
            await launcher.stop()
        report = make_report(played, faults, desk.calls, launcher, ready_s)
    _write(out_dir, report, call)
    _conclude(console, report, out_dir)
    return 0 if report["ok"] else 1


async def _converse(launcher: Launcher, console: Console, deadline_s: float) -> tuple[Played, Conversation]:
    call = Conversation(launcher.target("orchestrator"), agent=AGENT, sample_rate_hz=SAMPLE_RATE_HZ, record=True)
    sampling = asyncio.create_task(_sample_memory(launcher), name="memory")
    try:
        async with asyncio.timeout(deadline_s):
            utterances = await synthesise(
                launcher.target("tts"),
                [step.text for step in STEPS],
                voice=CALLER_VOICE,
                sample_rate_hz=SAMPLE_RATE_HZ,
            )
            console.print("\nthe call", style="bold")
            with LiveView(console) as view:
                return await play(call, STEPS, utterances, view.show, view.note), call
    except (CallError, SpeechError) as error:
        return Played(failure=str(error), turns=list(call.turns)), call
    except TimeoutError:
        return Played(failure=f"the demo was not over after {deadline_s:.0f} s", turns=list(call.turns)), call
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)


async def _sample_memory(launcher: Launcher) -> None:
    while True:
        await asyncio.to_thread(launcher.sample_memory)  # the kernel walks page tables for it: not on our loop
        await asyncio.sleep(MEMORY_INTERVAL_S)


def make_report(
    played: Played, faults: Sequence[str], calls: Sequence[DeskCall], launcher: Launcher, ready_s: float
) -> dict[str, Any]:
    """Return report.json: the call summary, and what else there is to say about the run."""
    memory = {name: round(size) for name, size in launcher.peak_memory_mb.items()}
    return call_summary(played.turns) | {
        "ok": not faults,
        "faults": list(faults),
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in calls],
        "ready_s": ready_s,
        "startup_s": dict(launcher.startup_s),
        "peak_memory_mb": memory | {"total": sum(memory.values())},
        "stale_frames": played.stale_frames,
    }


def _write(out_dir: Path, report: dict[str, Any], call: Conversation) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    call.write_recording(out_dir / "call.wav")


def _conclude(console: Console, report: dict[str, Any], out_dir: Path) -> None:
    measured = sorted(turn["voice_to_voice_ms"] for turn in report["turns"] if turn["voice_to_voice_ms"] is not None)
    console.print()
    if measured:
        console.print(
            f"voice to voice: median {measured[len(measured) // 2]:.0f} ms, worst {measured[-1]:.0f} ms "
            f"over {len(measured)} turns"
        )
    console.print(f"services ready after {report['ready_s']} s, {report['peak_memory_mb']['total']} MB at their peak")
    console.print(f"written: {out_dir / 'report.json'}, {out_dir / 'call.wav'} (caller left, agent right)")
    for fault in report["faults"]:
        console.print(f"wrong: {fault}", style="bold red", soft_wrap=True)
    if not report["ok"] and (busy := busy_machine(os.getloadavg()[0], os.cpu_count() or 1)):
        console.print(busy, style="yellow", soft_wrap=True)
    if report["ok"]:
        console.print("everything came out right", style="bold green")
