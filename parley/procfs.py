"""What the operating system tells about processes: their children, their memory, whether a pid is still the same one.

Linux tells all of it through /proc. Elsewhere memory is unknown (None), and a pid is taken at its word.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot: with the pid it names one process for good."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def is_alive(pid: int, started: int | None = None) -> bool:
    """Return whether the process runs; with `started`, whether it is still the one that started then."""
    if _PROC.is_dir():
        fields = _stat(pid)
        return bool(fields) and fields[0] != "Z" and started in (None, int(fields[19]))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def process_tree(pid: int) -> list[int]:
    """Return the process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*") if _PROC.is_dir() else ():
        fields = _stat(int(entry.name))
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    tree = [pid]
    for member in tree:
        tree.extend(parents.get(member, ()))
    return tree


def session_members(leader: int) -> list[int]:
    """Return the processes of the session that `leader` began, whether it still runs or not."""
    pids = [int(entry.name) for entry in _PROC.glob("[0-9]*")] if _PROC.is_dir() else []
    return [pid for pid in pids if (fields := _stat(pid)) and int(fields[3]) == leader and fields[0] != "Z"]


def memory_mb(pid: int) -> float | None:
    """Return what a process and its children hold now: proportional set size, so pages they share count once.

    Falls back to the resident size where the kernel does not tell the proportional one.
    """
    sizes = [_size_kb(member) for member in process_tree(pid)]
    known = [size for size in sizes if size is not None]
    return round(sum(known) / 1024, 1) if known else None


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the third (state) on; empty where there is no such process."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()


def _size_kb(pid: int) -> int | None:
    for file, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            lines = (_PROC / str(pid) / file).read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith(key):
                return int(line.split()[1])
    return None
