"""Run a module or a command as a process that ends with its parent, however that ends.

python -m services.common.owned PID MODULE, or python .../owned.py PID -- COMMAND ARGUMENT...

The launcher starts services so, and the orchestrator its tool servers. Code between fork and exec (`preexec_fn`) is no
alternative: gRPC's fork handlers run there in a process that has gRPC open, and were seen to abort the child.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask Linux for SIGTERM when the parent dies, even of a SIGKILL; then be the module, or the command."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(1)  # it died before we asked
    if module == "--":
        os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 (the setting outlives it)
    sys.argv[:] = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
