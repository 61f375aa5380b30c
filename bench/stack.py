"""Services as processes for one measurement, on free ports, ended with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from parley.launcher import DEFAULT_PORTS, START_DEADLINE_S, Launcher, LaunchPlan

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "out" / "bench"
FAKES = {
    "PARLEY_ASR_ENGINE": "fake",
    "PARLEY_TURN_ENGINE": "fake",
    "PARLEY_LLM_ENGINE": "fake",
    "PARLEY_TTS_ENGINE": "fake",
}
SHARED_PORTS = {f"PARLEY_{name.upper()}_REUSE_PORT": "1" for name in DEFAULT_PORTS}
"""The launcher holds each free port by a socket of its own until the service listens beside it."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Services that run."""

    launcher: Launcher

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by service."""
        return {service.name: service.pid for service in self.launcher.running}

    def target(self, service: str) -> str:
        """Return a service's host:port."""
        return self.launcher.target(service)


@asynccontextmanager
async def running(
    name: str,
    environment: Mapping[str, str],
    modules: Mapping[str, str] | None = None,
    tell_target: Callable[[Callable[[str], str]], None] = lambda target: None,
    start_deadline_s: float = START_DEADLINE_S,
) -> AsyncIterator[Stack]:
    """Start the five services with `environment` alone (no PARLEY_* of ours); logs go to out/bench/<name>/logs.

    `tell_target` is given, before the start, a function that knows each service's host:port once it starts.
    """
    extra_env = SHARED_PORTS | dict(environment)
    plan = LaunchPlan(port_choice="free", is_owned=True, inherits_settings=False, extra_env=extra_env, modules=modules)
    launcher = Launcher(plan, OUT / name)
    tell_target(launcher.target)
    try:
        await launcher.start(deadline_s=start_deadline_s)
        yield Stack(launcher)
    finally:
        await launcher.stop(grace_s=3)
