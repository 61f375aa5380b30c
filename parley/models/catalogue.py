"""The models that engines load: services/common/models.toml, typed."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from parley.errors import ModelError
from services.common.models import CATALOGUE, near_names

STAGES = ("asr", "turn", "llm", "tts")
MAIN = "main"
"""The branch that is taken where no commit is pinned."""


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file that a model must have, by its path in the model's folder; None: not known beforehand."""

    path: str
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Files of one repository at one commit."""

    repository: str
    revision: str
    """Empty where none is known."""
    files: tuple[PinnedFile, ...]
    patterns: tuple[str, ...] = ()
    under: str = ""

    def wants(self, path: str) -> bool:
        """Return whether a file of the repository, by its path in the model's folder, belongs to the model."""
        return path in {file.path for file in self.files} or any(fnmatch(path, pattern) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that an engine can load."""

    name: str
    """Its folder."""
    stage: str
    engine: str
    what: str
    licence: str
    files: tuple[PinnedFile, ...]
    patterns: tuple[str, ...] = ()
    """Further files to fetch, as glob patterns of their path."""
    repository: str = ""
    """On the Hugging Face Hub; empty where `command` fetches the model otherwise."""
    revision: str = ""
    """Commit; empty where none is known."""
    under: str = ""
    """The folder of the repository in which the files lie."""
    also: tuple[Source, ...] = ()
    """What its repository lacks and another has, such as the chat template of a converted model."""
    command: str = ""
    seen: str = ""
    about_gb: float = 0.0

    @property
    def size_bytes(self) -> int:
        """What there is to fetch: pinned, or about that."""
        return int(self.about_gb * 1e9) or sum(file.bytes or 0 for file in self.all_files)

    @property
    def pinned(self) -> dict[str, PinnedFile]:
        """The files that it must have, by path."""
        return {file.path: file for file in self.all_files}

    @property
    def all_files(self) -> tuple[PinnedFile, ...]:
        """The files that it must have, of all sources."""
        return tuple(file for source in self.sources for file in source.files)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where its files come from, its own repository first."""
        return Source(self.repository, self.revision, self.files, self.patterns, self.under), *self.also


def load(path: Path = CATALOGUE) -> dict[str, Model]:
    """Return the models by name, in the catalogue's order."""
    models = [_model(entry) for entry in tomllib.loads(path.read_text())["model"]]
    return {model.name: model for model in models}


def choose(models: dict[str, Model], names: Sequence[str], stage: str | None) -> list[Model]:
    """Return the models of these names, and those of a stage. Raises ModelError for a name that there is not."""
    for name in names:
        if name not in models:
            near = near_names(name)
            meant = f" Near it: {', '.join(near)}." if near else ""
            raise ModelError(f"no model {name!r} in the catalogue.{meant} `parley models list` shows all")
    chosen = [models[name] for name in dict.fromkeys(names)]
    return chosen + [model for model in models.values() if model.stage == stage and model not in chosen]


def _model(entry: dict[str, Any]) -> Model:
    also = tuple(Source(**_typed(source)) for source in entry.get("also", ()))
    return Model(**{**_typed(entry), "also": also})


def _typed(entry: dict[str, Any]) -> dict[str, Any]:
    files = tuple(PinnedFile(**file) for file in entry["files"])
    return {**entry, "files": files, "patterns": tuple(entry.get("patterns", ()))}
