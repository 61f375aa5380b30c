"""Whether a model's files are those that they should be: read whole, and compared with the record and the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from parley.models.catalogue import Model
from parley.models.folder import RECORD, Record, RecordedFile, read_record, sha256_of


def size_to_read(model: Model, folder: Path) -> int:
    """Return how many bytes `faults` will read, for a progress bar."""
    return sum(path.stat().st_size for file in _expected(model, folder) if (path := folder / file.path).is_file())


def faults(model: Model, folder: Path, advance: Callable[[int], None] = lambda count: None) -> list[str]:
    """Return what is wrong with the model in `folder`, a sentence each; empty where all is well.

    `advance` hears how many bytes more were read. Raises ModelError where the record cannot be read.
    """
    if not folder.is_dir():
        return [f"{folder} is not there"]
    record = read_record(folder)
    found = [] if record is None else _of_the_record(model, record)
    if record is None and not model.command and any(file.sha256 is None for file in model.all_files):
        found.append(f"no {RECORD} in it: not all of its files can be checked")
    for file in _expected(model, folder):
        path = folder / file.path
        if not path.is_file():
            found.append(f"{file.path} is missing")
        elif file.bytes and path.stat().st_size != file.bytes:
            found.append(f"{file.path} has {path.stat().st_size:,} bytes instead of {file.bytes:,}")
        elif file.sha256 and (sha256 := sha256_of(path, advance)) != file.sha256:
            found.append(f"{file.path} has SHA-256 {sha256[:12]}... instead of {file.sha256[:12]}...")
    return found


def _of_the_record(model: Model, record: Record) -> list[str]:
    """Return where the record itself is not what the catalogue wants: someone may have changed it with the file."""
    found = []
    if model.revision and record.revision != model.revision:
        found.append(f"it is of commit {record.revision[:12]}, the catalogue pins {model.revision[:12]}")
    recorded = {file.path: file for file in record.files}
    for path, pinned in model.pinned.items():
        if path not in recorded:
            found.append(f"{path} is not in its {RECORD}")
        elif pinned.sha256 and recorded[path].sha256 != pinned.sha256:
            found.append(f"{path} is recorded with another SHA-256 than the catalogue pins")
    return found


def _expected(model: Model, folder: Path) -> list[RecordedFile]:
    """Return the files with what they should be; 0 bytes or an empty digest: not known."""
    record = read_record(folder)
    if record is not None:
        return list(record.files)
    return [RecordedFile(file.path, file.bytes or 0, file.sha256 or "") for file in model.all_files]
