"""What the subcommands share: the loop they run on, the console, the progress of starting and stopping."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

DEFAULT_SERVER = "localhost:50050"


def run_async(work: Coroutine[Any, Any, int]) -> int:
    """Run a command's coroutine. Ctrl-C, SIGTERM and a closed terminal cancel it, so that it can clean up."""
    received: list[int] = []

    async def supervised() -> int:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            received.append(number)
            if task is not None:
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(supervised())
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]


def console(*, to_stderr: bool = False) -> Console:
    """Return a console; without a terminal it neither colours nor wraps."""
    made = Console(stderr=to_stderr, highlight=False)
    return (
        made if made.is_terminal else Console(file=sys.stderr if to_stderr else sys.stdout, highlight=False, width=200)
    )


class ProgressView:
    """Shows services as they start or stop: a table that changes on a terminal, a line a change elsewhere."""

    def __init__(self, shown_on: Console) -> None:
        self._console = shown_on
        self._rows: dict[str, tuple[str, float]] = {}
        self._live = Live(console=shown_on, refresh_per_second=10) if shown_on.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, name: str, state: str, seconds: float) -> None:
        """Show how a service stands."""
        self._rows[name] = (state, seconds)
        if self._live is not None:
            self._live.update(self._table())
        elif state != "starting":
            self._console.print(f"  {name:<13} {state} after {seconds:.1f} s")

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, (state, seconds) in self._rows.items():
            colour = {"starting": "yellow", "ready": "green"}.get(state, "dim")
            figure = "" if state == "starting" else f"{seconds:.1f} s"
            table.add_row("", name, Text(state, colour), Text(figure, "dim"))
        return table
