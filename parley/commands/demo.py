"""`parley demo`: a whole conversation with the appointment desk, checked from end to end."""

from __future__ import annotations

import argparse
from pathlib import Path

from parley.demo.run import OVERALL_DEADLINE_S, run_demo
from parley.terminal import console, run_async

_EPILOG = """\
Starts the five services on free ports, and a tool server of its own; plays a synthesised caller at real-time pace;
shows the conversation and where each turn's time went; checks that every slot came out right; stops what it started.

Exit status: 0 where everything came out right, else 1.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = _EPILOG
    parser.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--deadline-s", type=float, default=OVERALL_DEADLINE_S, help="give up after that (default: %(default).0f)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return run_async(run_demo(options.out, console(), options.deadline_s))
