"""What lies in a model's folder: its record, and how far it is there."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from parley.errors import ModelError
from parley.models.catalogue import Model

RECORD = "parley-model.json"
"""Written into a model's folder when all its files are there and right."""
CHUNK_BYTES = 1 << 20


class State(enum.StrEnum):
    """How far a model is there, by the names and sizes of its files; `parley models verify` looks inside."""

    PRESENT = "present"
    PARTIAL = "partial"
    """A download broke off, or files are missing or of the wrong size."""
    OTHER_REVISION = "other revision"
    """Whole, but not of the commit that the catalogue pins."""
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file as it was when it was fetched."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """What was fetched."""

    name: str
    repository: str
    revision: str
    """The commit, also where the catalogue pins none."""
    files: tuple[RecordedFile, ...]

    def write(self, folder: Path) -> None:
        """Write it into `folder`."""
        (folder / RECORD).write_text(json.dumps(asdict(self), indent=2) + "\n")


def read_record(folder: Path) -> Record | None:
    """Return the record in `folder`; None where there is none. Raises ModelError where it cannot be read."""
    path = folder / RECORD
    try:
        content = json.loads(path.read_text())
        files = tuple(RecordedFile(**file) for file in content.pop("files"))
        return Record(files=files, **content)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} cannot be read ({error}): delete {folder} and pull the model again") from error


def partial_folder(folder: Path) -> Path:
    """Return where a model lies while it is being fetched: beside its folder, so that a rename ends it."""
    return folder.with_name(f"{folder.name}.partial")


def state_of(model: Model, models_dir: Path) -> State:
    """Return how far a model is there, without reading its files."""
    folder = models_dir / model.name
    record = read_record(folder)
    if record is None:
        there = [file.path for file in model.all_files if _has_size(folder / file.path, file.bytes)]
        if len(there) == len(model.all_files):
            return State.PRESENT
        return State.PARTIAL if there or partial_folder(folder).is_dir() else State.ABSENT
    if not all(_has_size(folder / file.path, file.bytes) for file in record.files):
        return State.PARTIAL
    return State.OTHER_REVISION if model.revision and record.revision != model.revision else State.PRESENT


def sha256_of(path: Path, advance: Callable[[int], None] = lambda count: None) -> str:
    """Return the SHA-256 of a file, as hex; `advance` hears of every piece read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
            advance(len(piece))
    return digest.hexdigest()


def git_blob_id_of(path: Path) -> str:
    """Return the name that git gives to a file's content: SHA-1 of "blob <size>", a null byte and the content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _has_size(path: Path, size_bytes: int | None) -> bool:
    return path.is_file() and (size_bytes is None or path.stat().st_size == size_bytes)
