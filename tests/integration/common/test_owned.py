"""A command that belongs to a process ends with it, however that ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from services.common import owned

pytestmark = pytest.mark.integration

DEADLINE_S = 20
CHILD = "import os; print(os.getpid(), flush=True); import time; time.sleep(600)"
PARENT = f"""
import os, subprocess, sys
subprocess.run([sys.executable, {owned.__file__!r}, str(os.getpid()), "--", sys.executable, "-c", {CHILD!r}])
"""


async def test_a_command_dies_with_the_process_that_owns_it() -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        child = int(await parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
        assert await parent.stdout.read() == b""  # the child held the pipe too: it is closed once both are gone
        await parent.wait()


async def test_a_command_whose_owner_is_gone_already_does_not_begin() -> None:
    begun = await asyncio.create_subprocess_exec(
        sys.executable,
        owned.__file__,
        str(os.getppid()),
        "--",
        sys.executable,
        "-c",
        "print('begun')",
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_S):
        told, _ = await begun.communicate()
    assert (told, begun.returncode) == (b"", 1)
