"""A service as it is, that also tells when its engine runs: what a cancel must bring back to none.

The launcher starts `bench.observed_llm` and `bench.observed_tts` in the services' place. Once a millisecond the number
of generations, or phrases, that the engine holds is looked at; each change is a line "<time.monotonic()> <count>" in
the file that BENCH_OBSERVED_<SERVICE> names.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from services.common.server import Service, main
from services.common.settings import ServiceSettings

Settings = TypeVar("Settings", bound=ServiceSettings)

LOOK_EVERY_S = 0.001
Changes = Sequence[tuple[float, int]]
"""(time.monotonic(), how much the engine holds from then on), in order."""


def run(
    make_service: Callable[[Settings], Service], settings: type[Settings], running: Callable[[Service], int]
) -> None:
    """Run the service until SIGTERM, as its own __main__ does; `running` reads how much its engine holds."""

    def make(values: Settings) -> Service:
        service = make_service(values)
        start = service.start
        watching: list[asyncio.Task[None]] = []

        async def start_watched() -> None:
            await start()
            path = Path(os.environ[f"BENCH_OBSERVED_{service.name.upper()}"])
            watching.append(asyncio.create_task(_watch(lambda: running(service), path), name="watch-engine"))

        service.start = start_watched  # type: ignore[method-assign]
        return service

    main(make, settings)


async def _watch(running: Callable[[], int], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", buffering=1) as out:
        last = -1
        while True:
            count = running()
            if count != last:
                out.write(f"{time.monotonic():.6f} {count}\n")
                last = count
            await asyncio.sleep(LOOK_EVERY_S)


def read(path: Path) -> Changes:
    """Return every change so far."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [(float(at_s), int(count)) for at_s, count in (line.split() for line in lines)]


def held_at(changes: Changes, at_s: float) -> int:
    """Return how much the engine held at a moment."""
    return next((count for changed_s, count in reversed(changes) if changed_s <= at_s), 0)


def idle_from(changes: Changes, since_s: float, until_s: float) -> float | None:
    """Return when the engine held nothing, from `since_s` on: `since_s` itself where it held nothing then.

    None where it held something until `until_s`.
    """
    if not held_at(changes, since_s):
        return since_s
    return next((at_s for at_s, count in changes if since_s < at_s <= until_s and not count), None)
