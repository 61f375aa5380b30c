"""A service as a process: how it starts, what it says when it cannot, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.unit.house.tree import ROOT, SERVICES, STAGES

pytestmark = pytest.mark.integration

DEADLINE_S = 60


@contextlib.asynccontextmanager
async def process(service: str, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a service as a process with PARLEY_<SERVICE>_* set; what still runs at the end is killed."""
    variables = {f"PARLEY_{service.upper()}_{name.upper()}": value for name, value in settings.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "GRPC_"))}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{service}",
        cwd=ROOT, env=inherited | variables, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.communicate()


async def said_until(running: asyncio.subprocess.Process, message: str) -> dict[str, object]:
    """Return the log entry with that message."""
    assert running.stderr is not None
    seen = []
    while line := await running.stderr.readline():
        seen.append(line.decode())
        entry = json.loads(line) if line.startswith(b"{") else {}
        if entry.get("message") == message:
            return dict(entry)
    raise AssertionError(f"ended without {message!r}:\n{''.join(seen)}")


@pytest.mark.parametrize("stage", STAGES)
async def test_a_stage_serves_until_sigterm_and_ends_in_order(stage: str) -> None:
    async with process(stage, engine="fake", port="0") as running:
        port = (await said_until(running, "serving"))["port"]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        running.send_signal(signal.SIGTERM)
        assert await running.wait() == 0


async def test_its_log_is_json_line_by_line_also_where_it_starts_a_program_of_its_own() -> None:
    async with process("asr", engine="pocketsphinx", port="0") as running:
        assert running.stderr is not None
        messages = []
        while "serving" not in messages:
            messages.append(json.loads(await running.stderr.readline())["message"])
    assert messages == ["starting", "engine ready", "serving"]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_setting_that_cannot_be_used_is_told_by_its_variable(service: str) -> None:
    async with process(service, port="seventy") as running:
        _, said = await running.communicate()
    assert running.returncode == 2
    assert f"cannot start: PARLEY_{service.upper()}_PORT: " in said.decode()
    assert "Traceback" not in said.decode()
    assert "seventy" not in said.decode(), "a value may be a secret"


@pytest.mark.parametrize("stage", STAGES)
async def test_an_unknown_engine_is_told_with_those_there_are(stage: str) -> None:
    async with process(stage, engine="nope", port="0") as running:
        _, said = await running.communicate()
    assert running.returncode == 2
    assert f"PARLEY_{stage.upper()}_ENGINE='nope': no such engine; choose one of" in said.decode()
    assert "Traceback" not in said.decode()
