"""Where a service finds the files of its model. Nothing is fetched here: `parley models pull` does that, beforehand."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

from services.common.errors import InvalidInput

CATALOGUE = Path(__file__).with_name("models.toml")
"""The models that can be fetched. It lies here, and not with the command, so that every service knows their names."""
_REPOSITORY = Path(__file__).resolve().parents[2]


def locate_model(models_dir: Path, name: str, needs: Sequence[str], *, setting: str) -> Path:
    """Return the folder of model `name`: a path as it is, a bare name below `models_dir`.

    A relative `models_dir` that does not exist is also looked for in the repository. `needs` are the files (relative
    to the folder) without which the engine cannot start; `setting` is the environment variable that `name` came from.
    Raises InvalidInput that names the command which fetches the model, or names near it where there is none such.
    """
    if not name:
        raise InvalidInput(f"{setting} is empty: name a model of `parley models list`, or a folder that holds one")
    is_path = os.sep in name
    folder = Path(name) if is_path else models_folder(models_dir) / name
    missing = [file for file in needs if not (folder / file).is_file()]
    if not missing:
        return folder
    what = f"no {', '.join(missing)} in it" if folder.is_dir() else "no such folder"
    advice = "put one there" if is_path else _how_to_get(name, models_dir)
    raise InvalidInput(f"{setting}={name!r}: the model is not in {folder} ({what}): {advice}, then start again")


def models_folder(models_dir: Path) -> Path:
    """Return `models_dir`, or where it lies in the repository if it is relative and not here."""
    in_repository = _REPOSITORY / models_dir
    return in_repository if not models_dir.is_dir() and in_repository.is_dir() else models_dir


def fetch_commands(models_dir: Path) -> dict[str, str]:
    """Return the models of the catalogue by name, each with the command that fetches it into `models_dir`."""
    models = tomllib.loads(CATALOGUE.read_text())["model"]
    return {
        model["name"]: model.get("command") or f"parley models pull {model['name']} --dir {models_dir}"
        for model in models
    }


def near_names(name: str) -> list[str]:
    """Return the names of the catalogue that `name` may have been meant for, the nearest first."""
    by_lower = {known.lower(): known for known in fetch_commands(Path())}
    lower = name.lower()
    holding = [known for key, known in by_lower.items() if lower in key]
    near = [by_lower[key] for key in difflib.get_close_matches(lower, by_lower, n=3, cutoff=0.5)]
    return list(dict.fromkeys(near + holding))[:3]


def _how_to_get(name: str, models_dir: Path) -> str:
    command = fetch_commands(models_dir).get(name)
    if command is not None:
        return f"fetch it with `{command}`"
    near = near_names(name)
    meant = f" (near it: {', '.join(near)})" if near else ""
    return f"`parley models pull` knows none of that name{meant}, `parley models list` shows all: put it there"
