"""Launches stub services, prints their process ids, and waits: for a test that kills the launcher's process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from parley.launcher import DEFAULT_PORTS, Launcher, LaunchPlan

STUB = "tests.support.stub_service"


async def main(folder: Path) -> None:
    """Launch, print, wait."""
    plan = LaunchPlan("free", is_owned=True, inherits_settings=False, modules=dict.fromkeys(DEFAULT_PORTS, STUB))
    launcher = Launcher(plan, folder)
    await launcher.start()
    sys.stdout.write(" ".join(str(running.pid) for running in launcher.running) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
