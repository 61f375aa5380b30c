"""`parley models`: list, fetch and check the models that engines load."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from parley.errors import ModelError
from parley.models import catalogue
from parley.models.catalogue import Model
from parley.models.folder import State, state_of
from parley.models.hub import Hub
from parley.models.pull import Watcher, pull
from parley.models.verify import faults, size_to_read
from parley.terminal import console
from services.common.models import models_folder

DEFAULT_DIR = Path(".models")
_COLOURS = {State.PRESENT: "green", State.PARTIAL: "yellow", State.OTHER_REVISION: "yellow", State.ABSENT: "dim"}
EPILOG = """\
examples:
  parley models list                            which models there are, and which are here
  parley models pull faster-whisper-base.en     fetch one from the Hugging Face Hub
  parley models pull --stage tts --dir /models  fetch all voices into another folder
  parley models verify                          read all that is here and compare it with what it should be

A mirror of the hub is named by --endpoint or HF_ENDPOINT, a token for repositories that want one by HF_TOKEN.
A pull that broke off goes on where it stopped. Services fetch nothing themselves.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    lister = _action(actions, "list", "list the models, and how far they are here")
    lister.add_argument("--json", action="store_true", help="print JSON")
    puller = _action(actions, "pull", "fetch models from the Hugging Face Hub")
    puller.add_argument(
        "--endpoint", default="", metavar="URL", help="a mirror of the hub (default: HF_ENDPOINT, or the hub)"
    )
    puller.add_argument(
        "--repair", action="store_true", help="read what is here too, and fetch again what is not right"
    )
    verifier = _action(
        actions, "verify", "read models and compare them with what they should be (default: all that are here)"
    )
    for action in (puller, verifier):
        action.add_argument("names", nargs="*", metavar="NAME", help="a model of `parley models list`")
    for action in (lister, puller, verifier):
        action.add_argument("--stage", choices=catalogue.STAGES, help="the models of this stage")
        action.add_argument(
            "--dir",
            type=Path,
            default=Path(os.environ.get("PARLEY_MODELS_DIR") or DEFAULT_DIR),
            help="the folder of all models (default: PARLEY_MODELS_DIR, or .models here or in the checkout)",
        )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    models = catalogue.load()
    models_dir = models_folder(options.dir)
    if options.action == "list":
        chosen = catalogue.choose(models, [], options.stage) if options.stage else list(models.values())
        return _list(chosen, models_dir, options.json)
    chosen = catalogue.choose(models, options.names, options.stage)
    if options.action == "pull":
        if not chosen:
            raise ModelError("pull what? Name models of `parley models list`, or a --stage")
        return _pull(chosen, models_dir, options)
    if not chosen:
        chosen = [model for model in models.values() if state_of(model, models_dir) is not State.ABSENT]
    return _verify(chosen, models_dir)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    return actions.add_parser(name, help=summary, description=summary)


def _list(models: list[Model], models_dir: Path, as_json: bool) -> int:
    states = {model.name: state_of(model, models_dir) for model in models}
    if as_json:
        document = [asdict(model) | {"size_bytes": model.size_bytes, "state": states[model.name]} for model in models]
        print(json.dumps(document, indent=2))  # noqa: T201 - a command speaks to its terminal
        return 0
    table = Table(box=None, header_style="bold")
    for column in ("model", "stage", "engine", "licence"):
        table.add_column(column)
    table.add_column("size", justify="right")
    table.add_column("GPU memory", justify="right")
    table.add_column("state")
    table.add_column("what it is")
    for model in models:
        state = states[model.name]
        table.add_row(
            model.name, model.stage, model.engine, model.licence, _size(model.size_bytes),
            "" if model.command else f"{_size(model.size_bytes)} +", f"[{_COLOURS[state]}]{state}[/]", model.what,
        )  # fmt: skip
    out = console()
    out.print(table)
    out.print(
        f"looked for in {models_dir}; `parley models pull NAME` fetches one; GPU memory: of the weights alone",
        style="dim",
        markup=False,
    )
    return 0


def _pull(models: list[Model], models_dir: Path, options: argparse.Namespace) -> int:
    out = console()
    fetched = [model for model in models if not model.command]
    hub = Hub(options.endpoint) if fetched else None
    with _watching(out) as watcher:
        for model in models:
            if hub is None or model.command:
                watcher.say(f"{model.name}: does not come from the hub; `{model.command}` fetches it")
            else:
                pull(model, models_dir, hub, watcher, repair=options.repair)
    return 0


def _verify(models: list[Model], models_dir: Path) -> int:
    out = console()
    if not models:
        out.print(f"no model of the catalogue is in {models_dir}: `parley models pull NAME` fetches one", markup=False)
        return 0
    wrong: dict[str, list[str]] = {}
    with _watching(out) as watcher:
        for model in models:
            folder = models_dir / model.name
            watcher.begin(f"{model.name}: reading", size_to_read(model, folder))
            wrong[model.name] = faults(model, folder, watcher.advance)
            if not wrong[model.name]:
                watcher.say(f"ok     {model.name}", "green")
            for fault in wrong[model.name]:
                watcher.say(f"wrong  {model.name}: {fault}", "red")
    for model in models:
        if wrong[model.name]:
            mend = model.command or f"parley models pull {model.name} --repair --dir {models_dir}"
            out.print(f"mend it with: {mend}", markup=False, soft_wrap=True)
    return 1 if any(wrong.values()) else 0


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"


class _Bar:
    """A bar on a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, what: str, total_bytes: int) -> None:
        """Begin a bar in the last one's place."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(what, total=total_bytes)

    def advance(self, count: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.advance(self._task, count)

    def say(self, text: str, style: str = "") -> None:
        """Print above the bar."""
        self._progress.console.print(text, style=style, markup=False, soft_wrap=True)


class _Lines:
    """A line now and then, where there is no terminal."""

    EVERY = 0.25

    def __init__(self, out: Console) -> None:
        self._console = out
        self._what, self._total, self._done, self._told = "", 0, 0, 0.0

    def begin(self, what: str, total_bytes: int) -> None:
        """Begin to count."""
        self._what, self._total, self._done, self._told = what, total_bytes, 0, 0.0

    def advance(self, count: int) -> None:
        """Count, and tell each quarter of what is worth telling."""
        self._done += count
        share = self._done / self._total if self._total else 1.0
        if share >= self._told + self.EVERY and self._total > 50e6:
            self._told = share - share % self.EVERY
            self.say(f"{self._what} {self._told:.0%} of {_size(self._total)}")

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        self._console.print(text, style=style, markup=False, soft_wrap=True)


@contextmanager
def _watching(out: Console) -> Iterator[Watcher]:
    if not out.is_terminal:
        yield _Lines(out)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=out, transient=True) as progress:
        yield _Bar(progress)
