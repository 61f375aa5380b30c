"""A service in an interpreter of its own: BENCH_PYTHON_LLM=/venvs/llm/bin/python, and so for each stage.

The packages of one GPU stage need not get on with those of another, which is why each has its own image. The launcher
starts this module in place of the service; it becomes the service, in the same process.
"""

from __future__ import annotations

import os

from parley.launcher import STAGES


def interpreter(stage: str) -> str:
    """Return the interpreter that is named for a stage; empty: this one."""
    return os.environ.get(f"BENCH_PYTHON_{stage.upper()}", "")


def become_service() -> None:
    """Become the one service whose port the launcher has put into the environment."""
    stage = next(stage for stage in STAGES if f"PARLEY_{stage.upper()}_PORT" in os.environ)
    python = interpreter(stage)
    os.execv(python, [python, "-m", f"services.{stage}"])  # noqa: S606 - the operator named it


if __name__ == "__main__":
    become_service()
