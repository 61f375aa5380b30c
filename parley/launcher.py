"""Starts and stops the five services as processes on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from parley import ports, procfs, runstate
from parley.errors import LaunchError
from parley.health import Health, check_health
from parley.rpc import open_channel
from parley.runstate import Running

DEFAULT_PORTS = {"orchestrator": 50050, "asr": 50051, "turn": 50052, "llm": 50053, "tts": 50054}
STAGES = ("asr", "turn", "llm", "tts")
START_DEADLINE_S = 60.0
STOP_GRACE_S = 12.0
"""A little over the services' own drain grace."""
POLL_S = 0.05
TAIL_LINES = 15

Progress = Callable[[str, str, float], None]
"""Called with a service's name, how it stands ("starting", "ready", "stopped") and the seconds since it began."""


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """How to start the services.

    `port_choice`: "fixed" are the default ports, or those of PARLEY_<SERVICE>_PORT; "free" are any. `is_owned`: the
    services end with this process, however it ends (on Linux). `inherits_settings`: whether PARLEY_* variables of this
    process reach the services. `extra_env` reaches them in any case.
    """

    port_choice: Literal["fixed", "free"] = "fixed"
    is_owned: bool = False
    inherits_settings: bool = True
    extra_env: Mapping[str, str] | None = None
    modules: Mapping[str, str] | None = None
    """Module to run by service, where it is not services.<name>."""


def _port_of(name: str) -> int:
    """Return the port of a service. Raises LaunchError where its setting is none."""
    setting = f"PARLEY_{name.upper()}_PORT"
    text = os.environ.get(setting) or str(DEFAULT_PORTS[name])
    if not text.isdecimal() or int(text) > 65535:
        raise LaunchError(f"{setting}={text!r}: a port is a number from 1 to 65535")
    return int(text)


class Launcher:
    """The five services. Start once; stop always, also after a failed start."""

    def __init__(self, plan: LaunchPlan, folder: Path | None = None) -> None:
        self._plan = plan
        self._folder = folder or runstate.run_dir()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._held = ExitStack()
        self.ports: dict[str, int] = {}
        self.startup_s: dict[str, float] = {}
        """Seconds from starting a service's process until it was healthy."""
        self.peak_memory_mb: dict[str, float] = {}
        """The most that `sample_memory` has seen, by service, with its child processes."""

    async def start(self, progress: Progress = lambda *_: None, deadline_s: float = START_DEADLINE_S) -> None:
        """Start all services and wait until each is healthy. Raises LaunchError; then everything is stopped again."""
        try:
            self._choose_ports()
            for name in DEFAULT_PORTS:
                self._spawn(name)
            async with asyncio.TaskGroup() as group:
                for name in DEFAULT_PORTS:
                    group.create_task(self._wait_healthy(name, progress, deadline_s), name=f"health {name}")
        except BaseExceptionGroup as failures:
            await self.stop()
            raise failures.exceptions[0] from None
        except BaseException:
            await self.stop()
            raise
        finally:
            self._held.close()

    async def stop(self, progress: Progress = lambda *_: None, grace_s: float = STOP_GRACE_S) -> None:
        """Stop all services, whatever they do about it; returns when none is left."""
        self.sample_memory()
        await stop_all(self.running, progress, grace_s)
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    async def redeploy(self, name: str, env: Mapping[str, str], deadline_s: float = START_DEADLINE_S) -> None:
        """Stop one service in order, then run it anew on its port with `env` on top; return once it is healthy.

        Calls go on meanwhile. Raises LaunchError where the new one does not start.
        """
        old = self._processes.pop(name)
        await stop_all([self._as_running(name, old)])
        old.wait()
        self._spawn(name, env)
        await self._wait_healthy(name, lambda *_: None, deadline_s)

    @property
    def running(self) -> list[Running]:
        """The processes, as the state file holds them."""
        return [self._as_running(name, process) for name, process in self._processes.items()]

    def _as_running(self, name: str, process: subprocess.Popen[bytes]) -> Running:
        started = procfs.start_ticks(process.pid)
        return Running(name, process.pid, self.ports[name], started, str(self.log_path(name)))

    def target(self, name: str) -> str:
        """Return a service's host:port."""
        return f"{ports.HOST}:{self.ports[name]}"

    def log_path(self, name: str) -> Path:
        """Return where a service logs to."""
        return self._folder / "logs" / f"{name}.log"

    def sample_memory(self) -> None:
        """Note how much memory each service holds now."""
        for name, process in self._processes.items():
            held_mb = procfs.memory_mb(process.pid)
            if held_mb is not None:
                self.peak_memory_mb[name] = max(held_mb, self.peak_memory_mb.get(name, 0.0))

    def dead(self) -> list[str]:
        """Return the services whose process has ended by itself."""
        return [name for name, process in self._processes.items() if process.poll() is not None]

    def _choose_ports(self) -> None:
        if self._plan.port_choice == "free":
            self.ports = self._held.enter_context(ports.reserved(DEFAULT_PORTS))
            return
        self.ports = {name: _port_of(name) for name in DEFAULT_PORTS}
        taken = {name: port for name, port in self.ports.items() if not ports.is_free(port)}
        if taken:
            name, port = next(iter(taken.items()))
            raise LaunchError(
                f"port {port} of {name} is taken: see `parley status`, stop an earlier Parley with `parley down`, "
                f"or choose another port with PARLEY_{name.upper()}_PORT"
            )

    def _environment(self, name: str) -> dict[str, str]:
        inherited = {
            key: value
            for key, value in os.environ.items()
            if self._plan.inherits_settings or not key.startswith("PARLEY_")
        }
        prefix = f"PARLEY_{name.upper()}"
        chosen = {f"{prefix}_PORT": str(self.ports[name]), f"{prefix}_HOST": ports.HOST}
        defaults = {f"{prefix}_LOG_FORMAT": "text", "PYTHONUNBUFFERED": "1"}
        if name == "orchestrator":
            targets = {f"{prefix}_{stage.upper()}_TARGET": self.target(stage) for stage in STAGES}
            (chosen if self._plan.port_choice == "free" else defaults).update(targets)
        if self._plan.port_choice == "free":
            chosen[f"{prefix}_REUSE_PORT"] = "true"  # the port is held for it (ports.reserved) until it is healthy
        return defaults | inherited | chosen | dict(self._plan.extra_env or {})

    def _spawn(self, name: str, env: Mapping[str, str] | None = None) -> None:
        path = self.log_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        module = (self._plan.modules or {}).get(name, f"services.{name}")
        owned = ["services.common.owned", str(os.getpid())] if self._plan.is_owned else []
        with path.open("wb") as log:
            self._processes[name] = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
                [sys.executable, "-m", *owned, module],
                cwd=runstate.home(),
                env=self._environment(name) | dict(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C in the terminal reaches us alone: we stop them in order
            )

    async def _wait_healthy(self, name: str, progress: Progress, deadline_s: float) -> None:
        began = time.monotonic()
        progress(name, "starting", 0.0)
        async with open_channel(self.target(name)) as channel:
            while await check_health(channel) is not Health.SERVING:
                status = self._processes[name].poll()
                waited_s = time.monotonic() - began
                if status is not None:
                    raise LaunchError(self._post_mortem(name, f"stopped while starting (exit status {status})"))
                if waited_s > deadline_s:
                    raise LaunchError(self._post_mortem(name, f"was not ready within {deadline_s:.0f} s"))
                await asyncio.sleep(POLL_S)
        self.startup_s[name] = round(time.monotonic() - began, 2)
        progress(name, "ready", self.startup_s[name])

    def _post_mortem(self, name: str, what: str) -> str:
        path = self.log_path(name)
        lines = tail(path)
        said = "\n".join(f"    {line}" for line in lines) or "    (it logged nothing)"
        return (
            f"the {name} service {what}. Its log, {path}, ends:\n{said}\n"
            f"Put right what it names and start again; `{Path(sys.executable).name} -m services.{name}` runs it alone."
        )


async def stop_all(
    services: Sequence[Running], progress: Progress = lambda *_: None, grace_s: float = STOP_GRACE_S
) -> None:
    """Ask each process to stop, the orchestrator first so that calls end well; kill what is left after the grace."""
    began = time.monotonic()
    for service in sorted(services, key=lambda service: service.name != "orchestrator"):
        if service.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(service.pid, signal.SIGTERM)
    waiting = list(services)
    while waiting and time.monotonic() - began < grace_s:
        for service in [service for service in waiting if not service.is_alive]:
            waiting.remove(service)
            progress(service.name, "stopped", time.monotonic() - began)
        if waiting:
            await asyncio.sleep(POLL_S)
    for service in services:
        _kill_session(service)
    for service in waiting:
        progress(service.name, "killed", time.monotonic() - began)


def _kill_session(service: Running) -> None:
    """Kill what is left of a service, itself or children that outlived it: each service leads a session of its own."""
    if not service.is_alive and procfs.is_alive(service.pid):
        return  # the pid is another process's by now
    for pid in procfs.session_members(service.pid) or ([service.pid] if service.is_alive else []):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """Return the last lines of a log; none where there is no log."""
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []
