"""A real Prometheus of the test's own, with the deployment's own configuration but for where the services are."""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.unit.house.tree import ROOT

HOME = ROOT / "deploy" / "observability" / "prometheus"
READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
DEADLINE_S = 30
POLL_S = 0.2
PORT_ATTEMPTS = 3
"""A port that was free a moment ago may be taken by another process before it is bound."""


def binary(name: str) -> str:
    """Return the path of `prometheus` or `promtool`."""
    found = shutil.which(name)
    assert found, f"{name} is not on the PATH: `make test` installs it, or says how to"
    return found


def free_port() -> int:
    """Return a port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configured(folder: Path, ports: Mapping[str, int], budget: str) -> Path:
    """Write the deployment's configuration, with each service at its port of this machine and no time to wait."""
    config: dict[str, Any] = yaml.safe_load((HOME / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    (folder / "rules").mkdir()
    for path in (HOME / "budgets" / f"{budget}.yaml", *(HOME / "rules").glob("*.yaml")):
        rules = yaml.safe_load(path.read_text())
        for group in rules["groups"]:
            group.pop("interval", None)
        (folder / "rules" / path.name).write_text(yaml.safe_dump(rules))
    config["rule_files"] = [str(folder / "rules" / "*.yaml")]
    for job in config["scrape_configs"]:
        [name] = job.pop("dns_sd_configs")[0]["names"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[name]}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return folder / "prometheus.yml"


@dataclass
class Prometheus:
    """A running Prometheus."""

    client: httpx.AsyncClient

    async def get(self, path: str, **params: str) -> Any:
        """Ask its API; return the data. Raises AssertionError with its own words where it refuses."""
        answer = await self.client.get(f"/api/v1/{path}", params=params)
        body = answer.json()
        assert body["status"] == "success", f"{params}: {body.get('error')}"
        return body["data"]

    async def query(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Return the series of an expression now, without what is not a number."""
        result = (await self.get("query", query=expr))["result"]
        series = [(one["metric"], float(one["value"][1])) for one in result]
        return [(labels, value) for labels, value in series if not math.isnan(value)]

    async def until(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Ask until an expression has a value. Raises AssertionError where it has none in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_S):
                while not (series := await self.query(expr)):  # noqa: ASYNC110 - it has no way to tell by itself
                    await asyncio.sleep(POLL_S)
                return series
        raise AssertionError(f"no data within {DEADLINE_S} s: {expr}")


@contextlib.asynccontextmanager
async def running_prometheus(
    folder: Path, ports: Mapping[str, int], budget: str = "colocated-gpu"
) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes the services at `ports`; what it stores lies in `folder`."""
    process, port = await _launch(configured(folder, ports, budget), folder / "data")
    drain = asyncio.create_task(_drain(process), name="prometheus-log")
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield Prometheus(client)
    finally:
        await _end(process)
        await drain


async def _launch(config: Path, data: Path) -> tuple[asyncio.subprocess.Process, int]:
    for attempt in range(PORT_ATTEMPTS):
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            binary("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={data}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await _ready(process)
        except BaseException as failed:
            await _end(process)
            if not isinstance(failed, RuntimeError) or attempt == PORT_ATTEMPTS - 1:
                raise
        else:
            return process, port
    raise AssertionError("unreachable")


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    said: list[str] = []
    while line := await process.stderr.readline():
        said.append(line.decode(errors="replace"))
        if "Server is ready to receive web requests" in said[-1]:
            return
    raise RuntimeError(f"prometheus ended before it was ready:\n{''.join(said[-10:])}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while await process.stderr.readline():
        pass


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
