"""Where a service finds the files of its model. Nothing is fetched here: `parley models pull` does that, beforehand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from services.common.errors import InvalidInput

_REPOSITORY = Path(__file__).resolve().parents[2]


def locate_model(models_dir: Path, name: str, needs: Sequence[str], *, setting: str) -> Path:
    """Return the folder of model `name`: a path as it is, a bare name below `models_dir`.

    A relative `models_dir` that does not exist is also looked for in the repository. `needs` are the files (relative
    to the folder) without which the engine cannot start; `setting` is the environment variable that `name` came from.
    Raises InvalidInput that names the command which fetches the model.
    """
    if not name:
        raise InvalidInput(f"{setting} is empty: name a model of `parley models list`, or a folder that holds one")
    is_path = os.sep in name
    folder = Path(name) if is_path else _resolved(models_dir) / name
    missing = [file for file in needs if not (folder / file).is_file()]
    if not missing:
        return folder
    what = f"no {', '.join(missing)} in it" if folder.is_dir() else "no such folder"
    fetch = "put one there" if is_path else f"fetch it with `parley models pull {name} --dir {models_dir}`"
    raise InvalidInput(f"{setting}={name!r}: the model is not in {folder} ({what}): {fetch}, then start again")


def _resolved(models_dir: Path) -> Path:
    in_repository = _REPOSITORY / models_dir
    return in_repository if not models_dir.is_dir() and in_repository.is_dir() else models_dir
