"""`parley up`: start all five services on this machine, and leave them running."""

from __future__ import annotations

import argparse
import time

from parley import runstate
from parley.errors import LaunchError
from parley.launcher import START_DEADLINE_S, Launcher, LaunchPlan
from parley.terminal import ProgressView, console, run_async

_EPILOG = """\
Ports: orchestrator 50050, asr 50051, turn 50052, llm 50053, tts 50054; PARLEY_<SERVICE>_PORT chooses another.
Every PARLEY_* setting of the services is taken from the environment. Logs lie in .run/logs.

examples:
  parley up
  PARLEY_LLM_ENGINE=openai parley up
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--deadline-s",
        type=float,
        default=START_DEADLINE_S,
        help="how long a service may take to become healthy (default: %(default).0f)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return run_async(_up(options.deadline_s))


async def _up(deadline_s: float) -> int:
    out = console()
    folder = runstate.run_dir()
    known = runstate.load(folder)
    alive = [service.name for service in known if service.is_alive]
    if alive and len(alive) == len(known):
        out.print(f"already running: {', '.join(alive)}; see `parley status`, stop by `parley down`")
        return 0
    if alive:
        ended = ", ".join(f"{service.name} (log: {service.log})" for service in known if not service.is_alive)
        raise LaunchError(
            f"{', '.join(alive)} still run, but no longer {ended}: stop the rest by `parley down`, then `parley up`"
        )
    launcher = Launcher(LaunchPlan(), folder)
    began = time.monotonic()
    with ProgressView(out) as view:
        await launcher.start(view.update, deadline_s)
    runstate.save(folder, launcher.running)
    out.print(f"all services are healthy after {time.monotonic() - began:.1f} s; logs: {folder / 'logs'}")
    out.print(
        f"the voice agent answers at {launcher.target('orchestrator')}: try `parley agents`; stop by `parley down`"
    )
    return 0
