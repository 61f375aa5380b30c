"""What the machine did meanwhile: CPU and memory by process, and how busy everything else kept it. Linux only."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

from parley.procfs import process_tree

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Places in /proc/<pid>/stat, counted from the field after the command's name."""
_BUSY = (0, 1, 2, 5, 6, 7)
"""Places in the first line of /proc/stat: user, nice, system, irq, softirq, steal."""


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and its living children, user and system (utime + stime). 0 once it is gone."""
    return sum(_ticks(member) for member in process_tree(pid)) / _TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Return the resident set of a process, without its children."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return round(int(line.split()[1]) / 1024, 1)
    except OSError:
        return 0.0
    return 0.0


def machine_busy_s() -> float:
    """Return the CPU time that the whole machine has spent since it started, all cores, stolen time included."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    return sum(int(fields[place]) for place in _BUSY) / _TICKS_PER_S


def _ticks(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[_UTIME]) + int(fields[_STIME])


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine at one moment."""

    at_s: float
    busy_s: float
    cpu_s: Mapping[str, float]
    rss_mb: Mapping[str, float]

    @classmethod
    def take(cls, pids: Mapping[str, int]) -> Reading:
        """Read the clocks of the processes, by name, and of the machine."""
        return cls(
            time.monotonic(),
            machine_busy_s(),
            {name: cpu_s(pid) for name, pid in pids.items()},
            {name: rss_mb(pid) for name, pid in pids.items()},
        )


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two readings."""

    seconds: float
    cpu_s: Mapping[str, float]
    rss_mb: Mapping[str, float]
    others_cores: float
    """Cores that processes other than those read kept busy: noise, to be told beside every figure."""

    @classmethod
    def between(cls, first: Reading, last: Reading) -> Window:
        """Subtract."""
        seconds = last.at_s - first.at_s
        spent = {name: last.cpu_s[name] - first.cpu_s[name] for name in first.cpu_s}
        others = (last.busy_s - first.busy_s - sum(spent.values())) / seconds
        return cls(seconds, spent, last.rss_mb, max(0.0, others))


@contextmanager
def real_time() -> Iterator[str]:
    """Run this process, and those it starts meanwhile, before all others where that is allowed (as root).

    Yields "real-time (SCHED_RR)" or "normal". On a machine that does anything else, milliseconds are otherwise those of
    waiting for a core, not of the work measured; CPU time is hardly touched by it.
    """
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        yield "normal"
        return
    try:
        yield "real-time (SCHED_RR)"
    finally:
        os.sched_setscheduler(0, *before)


def describe() -> dict[str, Any]:
    """Return what a reader needs to know about the machine a figure comes from."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "grpcio": grpc.__version__,
    }


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
