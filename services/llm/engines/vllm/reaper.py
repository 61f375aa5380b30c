"""Ends vLLM's processes where this one could not: killed, it would leave them behind with all the GPU's memory.

vLLM's core does not notice that its parent has gone. A little process of ours does, by the end of its standard input,
and ends those that it was told of. As a script, it needs the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

END_TIMEOUT_S = 5


class Reaper:
    """A process that outlives this one for a moment. Linux only; elsewhere it does nothing."""

    def __init__(self) -> None:
        self._told: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        if hasattr(os, "pidfd_open"):
            script = [sys.executable, "-I", str(Path(__file__))]
            # In a session of its own: what a terminal sends to all of ours is not meant for it.
            self._process = subprocess.Popen(script, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603

    def watch(self, pids: Iterable[int]) -> None:
        """Have these processes, children of ours, ended with this one."""
        if self._process is None or self._process.stdin is None:
            return
        fresh = set(pids) - self._told
        self._told |= fresh
        if fresh:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write("".join(f"{pid}\n" for pid in fresh).encode())
                self._process.stdin.flush()

    def close(self) -> None:
        """End what is left of them now, and the reaper."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main() -> None:
    """Read process ids, one a line, until whoever writes them has gone; then end those processes."""
    held: list[int] = []
    for line in sys.stdin:
        with contextlib.suppress(ProcessLookupError):
            held.append(os.pidfd_open(int(line)))  # means this process for good, whoever gets its number later
    for process in held:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
