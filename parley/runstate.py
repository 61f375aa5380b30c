"""What `parley up` leaves behind for `parley status` and `parley down`: .run/parley.json."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import parley
from parley import procfs
from parley.errors import LaunchError

STATE_FILE = "parley.json"


@dataclass(frozen=True, slots=True)
class Running:
    """One service's process. `started` tells it from a later process with the same pid."""

    name: str
    pid: int
    port: int
    started: int | None
    log: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return procfs.is_alive(self.pid, self.started)


def home() -> Path:
    """Return where agents/ and .run/ lie: the checkout this package runs from, or else the current folder."""
    checkout = Path(parley.__file__).resolve().parents[1]
    return checkout if (checkout / "agents").is_dir() else Path.cwd()


def run_dir() -> Path:
    """Return the folder of state and logs: PARLEY_RUN_DIR, or .run at home."""
    return Path(os.environ.get("PARLEY_RUN_DIR") or home() / ".run").absolute()


def load(folder: Path) -> list[Running]:
    """Return what `parley up` started, dead or alive; empty where nothing was. Raises LaunchError for a broken file."""
    path = folder / STATE_FILE
    try:
        return [Running(**entry) for entry in json.loads(path.read_text())["services"]]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        raise LaunchError(f"{path} cannot be read ({error}): delete it, and stop what still runs by hand") from error


def save(folder: Path, services: list[Running]) -> None:
    """Write what runs, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{STATE_FILE}.new"
    fresh.write_text(json.dumps({"services": [asdict(service) for service in services]}, indent=2) + "\n")
    fresh.replace(folder / STATE_FILE)


def forget(folder: Path) -> None:
    """Remove the state file."""
    (folder / STATE_FILE).unlink(missing_ok=True)
