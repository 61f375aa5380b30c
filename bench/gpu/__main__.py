"""Measure the GPU stages: `python -m bench.gpu [STEP...] [--tiny]`. See bench/gpu/README.md.

Writes out/bench/gpu.json, and out/bench/gpu.md for docs/measurements.md. Exits 0 also where a goal is missed, which is
a result; 1 where a step failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import machine
from bench.gpu import table
from bench.gpu.stacks import Kit
from bench.gpu.steps import STEPS, TINY, TINY_SKIPS, Bench, Scale, Step, take
from bench.stack import OUT
from parley.terminal import console as terminal
from services.common.models import models_folder


def main() -> int:
    """Run what was asked for; return the exit status."""
    names = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description="Measure the GPU stages on this machine.")
    parser.add_argument("names", nargs="*", metavar="STEP", help=f"one of {', '.join(names)}; none: all")
    parser.add_argument("--tiny", action="store_true", help="test models on the CPU: to see that it works")
    parser.add_argument(
        "--models", type=Path, default=Path(".models"), help="fetched models, used where they are there"
    )
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in names]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(names)}")
    console = terminal()
    gpu = gpu_name()
    if not gpu and not options.tiny:
        console.print("no NVIDIA GPU is here (nvidia-smi); `--tiny` runs all of it on the CPU", style="bold red")
        return 1
    skipped = TINY_SKIPS if options.tiny and not options.names else ()
    steps = [step for step in STEPS if step.name in (options.names or names) and step.name not in skipped]
    kit = Kit(options.tiny, models_folder(options.models).absolute())
    result = {
        "machine": machine.describe(),
        "gpu": gpu,
        "is_tiny": options.tiny,
        "models": kit.described(),
        "steps": asyncio.run(run(steps, kit, TINY if options.tiny else Scale(), console)),
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "gpu.json").write_text(json.dumps(result, indent=2) + "\n")
    (OUT / "gpu.md").write_text(table.markdown(result))
    console.print(table.for_terminal(table.rows(result["steps"]), is_tiny=options.tiny))
    for note in table.notes(result["steps"]):
        console.print(note, style="red", markup=False)
    if options.tiny:
        console.print("plumbing, not figures: tiny test models on a CPU, ctranslate2 in vLLM's place", style="yellow")
    console.print(f"written to {OUT}/gpu.json and gpu.md", style="dim")
    return 1 if any("failed" in step for step in result["steps"].values()) else 0


async def run(steps: list[Step], kit: Kit, scale: Scale, console: Console) -> dict[str, dict[str, Any]]:
    """Take the steps one after another; a failing one is told, and the others go on."""
    results = {}
    for number, step in enumerate(steps, 1):
        console.print(
            f"{number}/{len(steps)} {step.name}: {step.what} (at most {step.deadline_s / 60:.0f} min)", style="bold"
        )
        began_s = time.monotonic()
        results[step.name] = await take(
            step, Bench(kit, scale, lambda said: console.print(f"    {said}", markup=False))
        )
        results[step.name]["took_s"] = round(time.monotonic() - began_s)
        if "failed" in results[step.name]:
            console.print(f"    failed: {results[step.name]['failed']}", style="red", markup=False)
        else:
            console.print(f"    done in {results[step.name]['took_s']} s")
    return results


def gpu_name() -> str:
    """Return the GPUs as their driver names them; empty where there is none."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(asked.stdout.strip().splitlines())


if __name__ == "__main__":
    sys.exit(main())
