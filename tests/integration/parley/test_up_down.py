"""`parley up`, `status` and `down` with the five real services as processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from parley import ports, procfs
from parley.launcher import DEFAULT_PORTS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

FAKES = {f"PARLEY_{stage}_ENGINE": "fake" for stage in ("ASR", "LLM", "TTS")}


async def test_up_status_agents_down(tmp_path: Path) -> None:
    with ports.reserved(DEFAULT_PORTS) as chosen:
        numbers = {f"PARLEY_{name.upper()}_PORT": str(port) for name, port in chosen.items()}
    environment = {**os.environ, **FAKES, **numbers, "PARLEY_RUN_DIR": str(tmp_path)}

    async def parley(*arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "parley.cli",
            *arguments,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(80):
            out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    try:
        status, out = await parley("up")
        assert status == 0, out
        status, out = await parley("status", "--json")
        report = json.loads(out)
        assert (status, report["ok"]) == (0, True), out
        assert {service["name"] for service in report["services"]} == set(DEFAULT_PORTS)
        status, out = await parley("agents", "--server", f"127.0.0.1:{chosen['orchestrator']}", "--json")
        assert "appointments" in {agent["name"] for agent in json.loads(out)}
        status, out = await parley("up")
        assert (status, "already running" in out) == (0, True), out
    finally:
        status, out = await parley("down")
    assert status == 0, out
    assert not any(procfs.is_alive(service["pid"]) for service in report["services"])
    status, out = await parley("status")
    assert (status, "parley up" in out) == (1, True)
