"""`parley agents`: list the agents that can be called."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from rich.table import Table

from parley.directory import list_agents
from parley.terminal import DEFAULT_SERVER, console, run_async


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--server", default=DEFAULT_SERVER, metavar="H:P", help="the orchestrator (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return run_async(_agents(options.server, options.json))


async def _agents(server: str, as_json: bool) -> int:
    listed = await list_agents(server)
    if as_json:
        print(json.dumps([asdict(agent) for agent in listed], indent=2))  # noqa: T201 - a command speaks to its terminal
        return 0
    table = Table("agent", "language", "what it is for", "tools", box=None, header_style="bold")
    for agent in listed:
        table.add_row(agent.name, ", ".join(agent.languages), agent.description, ", ".join(agent.tools))
    console().print(table)
    return 0
