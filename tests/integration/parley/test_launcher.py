"""The launcher with real processes: stubs that serve health and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from parley import procfs
from parley.errors import LaunchError
from parley.health import Health, check_health
from parley.launcher import DEFAULT_PORTS, Launcher, LaunchPlan
from parley.rpc import open_channel
from tests.support.launch_and_wait import STUB

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def stubs(**env: str) -> LaunchPlan:
    modules = dict.fromkeys(DEFAULT_PORTS, STUB)
    return LaunchPlan("free", is_owned=True, inherits_settings=False, extra_env=env, modules=modules)


async def gone(pids: Iterable[int]) -> None:
    async with asyncio.timeout(20):
        while any(procfs.is_alive(pid) for pid in pids):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)


async def test_all_services_start_healthy_and_stop_with_their_children(tmp_path: Path) -> None:
    launcher = Launcher(stubs(), tmp_path)
    seen: list[tuple[str, str]] = []
    await launcher.start(lambda name, state, _: seen.append((name, state)))
    try:
        assert {name for name, state in seen if state == "ready"} == set(DEFAULT_PORTS)
        assert len(set(launcher.ports.values())) == len(DEFAULT_PORTS)
        assert all(seconds > 0 for seconds in launcher.startup_s.values())
        async with open_channel(launcher.target("llm")) as channel:
            assert await check_health(channel) is Health.SERVING
        asr = next(running for running in launcher.running if running.name == "asr")
        family = [pid for running in launcher.running for pid in procfs.process_tree(running.pid)]
        assert len(procfs.process_tree(asr.pid)) == 2
        launcher.sample_memory()
        assert all(size > 1 for size in launcher.peak_memory_mb.values())
    finally:
        await launcher.stop()
    await gone(family)
    assert launcher.running == []


async def test_a_service_that_stops_while_starting_is_named_with_its_log(tmp_path: Path) -> None:
    launcher = Launcher(stubs(STUB_CRASHES="turn"), tmp_path)
    with pytest.raises(LaunchError, match=r"turn service stopped while starting(.|\n)*told to crash"):
        await launcher.start()
    assert launcher.running == []


async def test_a_service_that_never_becomes_healthy_is_given_up(tmp_path: Path) -> None:
    launcher = Launcher(stubs(STUB_HANGS="tts"), tmp_path)
    with pytest.raises(LaunchError, match="tts service was not ready within"):
        await launcher.start(deadline_s=8)
    assert launcher.running == []


async def test_a_service_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    launcher = Launcher(stubs(STUB_STAYS="llm"), tmp_path)
    await launcher.start()
    pids = [running.pid for running in launcher.running]
    seen: dict[str, str] = {}
    await launcher.stop(lambda name, state, _: seen.update({name: state}), grace_s=3)
    await gone(pids)
    assert seen["llm"] == "killed"
    assert seen["tts"] == "stopped"


async def test_services_end_when_their_owner_is_killed(tmp_path: Path) -> None:
    """Linux alone tells a child that its parent has died."""
    if sys.platform != "linux":
        return
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.launch_and_wait", str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    async with asyncio.timeout(40):
        pids = [int(pid) for pid in (await owner.stdout.readline()).split()]
    assert len(pids) == len(DEFAULT_PORTS)
    workers = [pid for parent in pids for pid in procfs.process_tree(parent) if pid not in pids]
    try:
        owner.kill()
        await owner.wait()
        await gone(pids)
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGKILL)


async def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name in DEFAULT_PORTS:
            monkeypatch.setenv(f"PARLEY_{name.upper()}_PORT", "0")
        monkeypatch.setenv("PARLEY_TURN_PORT", str(port))
        launcher = Launcher(LaunchPlan(modules=dict.fromkeys(DEFAULT_PORTS, STUB)), tmp_path)
        with pytest.raises(LaunchError, match=f"port {port} of turn is taken"):
            await launcher.start()
    assert launcher.running == []
