"""What the images' health checks ask a server, and what it answers."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from services.common.probe import main, probe
from services.common.server import Server
from services.common.settings import ServiceSettings
from tests.integration.common.test_server import GRPC_NAME, Echo
from tests.support.servers import serving

pytestmark = pytest.mark.integration

SETTINGS = ServiceSettings(port=0)


async def test_a_server_is_healthy_once_it_is_warm_and_not_before() -> None:
    service = Echo()
    service.warm.clear()
    server = Server(service, SETTINGS)
    start = asyncio.create_task(server.start())
    await asyncio.wait_for(service.starting.wait(), 10)
    target = f"127.0.0.1:{server.port}"
    assert await asyncio.to_thread(probe, target) == (False, f"{target}: NOT_SERVING")
    service.warm.set()
    await asyncio.wait_for(start, 10)
    assert await asyncio.to_thread(probe, target) == (True, f"{target}: SERVING")
    assert await asyncio.to_thread(probe, target, GRPC_NAME) == (True, f"{target} {GRPC_NAME}: SERVING")
    await server.stop()


async def test_an_unknown_service_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(Echo(), SETTINGS) as (server, _):
        target = f"127.0.0.1:{server.port}"
        assert await asyncio.to_thread(main, [target, "--service", "voice.none.v1.None"]) == 1
        assert capsys.readouterr().err == f"{target} voice.none.v1.None: no such service there\n"
        assert await asyncio.to_thread(main, [target]) == 0
        assert capsys.readouterr().out == f"{target}: SERVING\n"


def test_a_server_that_hangs_is_given_up_within_the_deadline() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        is_serving, line = probe(f"127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.3)
    assert not is_serving
    assert "DEADLINE_EXCEEDED" in line or "UNAVAILABLE" in line


async def test_it_runs_as_the_images_run_it_and_says_one_line() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{unused.getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.common.probe", target, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert said.decode().startswith(f"{target}: UNAVAILABLE")
    assert said.count(b"\n") == 1
