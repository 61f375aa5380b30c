"""`parley status`: how the services are."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict, dataclass

from rich.table import Table

from parley import ports, procfs, runstate
from parley.health import Health, check_health
from parley.rpc import open_channel
from parley.runstate import Running
from parley.terminal import console, run_async


@dataclass(frozen=True, slots=True)
class Status:
    """How one service is."""

    name: str
    health: str
    port: int
    pid: int
    memory_mb: float | None
    log: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = "Exit status: 0 where all services are healthy, 1 where not, or where none runs."
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return run_async(_status(options.json))


async def _status(as_json: bool) -> int:
    services = runstate.load(runstate.run_dir())
    statuses = list(await asyncio.gather(*(_ask(service) for service in services)))
    healthy = bool(statuses) and all(status.health == Health.SERVING for status in statuses)
    if as_json:
        document = {"ok": healthy, "services": [asdict(status) for status in statuses]}
        print(json.dumps(document, indent=2))  # noqa: T201 - a command speaks to its terminal
        return 0 if healthy else 1
    out = console()
    if not statuses:
        out.print("nothing is running: start it with `parley up`")
        return 1
    table = Table("service", "health", "port", "pid", "memory", "log", box=None, header_style="bold")
    for status in statuses:
        colour = "green" if status.health == Health.SERVING else "red"
        memory = "" if status.memory_mb is None else f"{status.memory_mb:.0f} MB"
        table.add_row(
            status.name, f"[{colour}]{status.health}[/]", str(status.port), str(status.pid), memory, status.log
        )
    out.print(table)
    return 0 if healthy else 1


async def _ask(service: Running) -> Status:
    if not service.is_alive:
        return Status(service.name, "stopped", service.port, service.pid, None, service.log)
    async with open_channel(f"{ports.HOST}:{service.port}") as channel:
        health = await check_health(channel)
    return Status(service.name, health, service.port, service.pid, procfs.memory_mb(service.pid), service.log)
