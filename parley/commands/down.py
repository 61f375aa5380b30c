"""`parley down`: stop what `parley up` started."""

from __future__ import annotations

import argparse

from parley import runstate
from parley.launcher import STOP_GRACE_S, stop_all
from parley.terminal import ProgressView, console, run_async


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = "Calls in progress are told, and may end within the grace; then they are cut."
    parser.add_argument(
        "--grace-s",
        type=float,
        default=STOP_GRACE_S,
        help="how long the services may take before they are killed (default: %(default).0f)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return run_async(_down(options.grace_s))


async def _down(grace_s: float) -> int:
    out = console()
    folder = runstate.run_dir()
    services = runstate.load(folder)
    if not any(service.is_alive for service in services):
        out.print("nothing is running")
    with ProgressView(out) as view:
        await stop_all(services, view.update, grace_s)
    runstate.forget(folder)
    return 0
