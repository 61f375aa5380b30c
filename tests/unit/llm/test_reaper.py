"""The reaper, over real processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

from services.llm.engines.vllm.reaper import Reaper

pytestmark = pytest.mark.unit

DEADLINE_S = 10
SERVICE = """
import subprocess, sys
from services.llm.engines.vllm.reaper import Reaper
core = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
Reaper().watch([core.pid])
print(core.pid, flush=True)
core.wait()
"""


def has_ended(process: int) -> bool:
    """Wait for the end of a process, by its pidfd."""
    return bool(select.select([process], [], [], DEADLINE_S)[0])


def test_a_killed_service_leaves_nothing_behind() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        core = os.pidfd_open(int(service.stdout.readline()))
        assert not select.select([core], [], [], 0)[0]
        service.send_signal(signal.SIGKILL)
        assert has_ended(core)
        os.close(core)


def test_closing_ends_what_is_left_and_does_not_mind_what_is_gone() -> None:
    gone, left = (subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]) for _ in range(2))
    reaper = Reaper()
    reaper.watch([gone.pid, left.pid])
    gone.kill()
    gone.wait(DEADLINE_S)
    reaper.close()
    assert left.wait(DEADLINE_S) == -signal.SIGKILL
    reaper.watch([left.pid])
