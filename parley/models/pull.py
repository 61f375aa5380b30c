"""Fetching a model: beside its folder, checked file by file, put in place whole."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from parley.errors import ModelError
from parley.models.catalogue import Model
from parley.models.folder import (
    Record,
    RecordedFile,
    State,
    git_blob_id_of,
    partial_folder,
    read_record,
    sha256_of,
    state_of,
)
from parley.models.hub import Hub, HubFile, Listing

SPARE_BYTES = 256 << 20
"""Room to leave on the disk."""
LOCK = ".lock"


class Watcher(Protocol):
    """Who wants to know how a pull goes."""

    def begin(self, what: str, total_bytes: int) -> None:
        """Count bytes anew."""

    def advance(self, count: int) -> None:
        """Count bytes that came; fewer than none: they come again."""

    def say(self, text: str, style: str = "") -> None:
        """Tell something once, in a colour where there are some."""


def pull(model: Model, models_dir: Path, hub: Hub, watcher: Watcher, *, repair: bool = False) -> Record:
    """Fetch `model` into `models_dir`, where it is not there already by names and sizes. Raises ModelError.

    With `repair` the files that are there are read too, and what is not right is fetched again.

    The files lie in <name>.partial until all are there and right; what a broken pull left is used by the next. A file
    of an older or damaged folder that is right is taken from there.
    """
    folder = models_dir / model.name
    record = read_record(folder)
    if record is not None and not repair and state_of(model, models_dir) is State.PRESENT:
        watcher.say(f"{model.name}: in place (commit {record.revision[:12]})")
        return record
    if record is None and folder.is_dir() and any(folder.iterdir()):
        raise ModelError(
            f"{folder} holds something that `parley models` did not put there: move it away, then try again"
        )
    if not model.revision:
        watcher.say(f"{model.name}: the catalogue pins no commit of {model.repository}; taking its newest")
    listing = hub.listing(model)
    refuse_other_digests(model, listing)
    partial = partial_folder(folder)
    with _locked(partial):
        _reuse(listing, folder, partial)
        _check_room(model, listing, partial)
        files = _fetch(model, listing, partial, hub, watcher)
        record = Record(model.name, model.repository, listing.revision, files)
        _put_in_place(record, partial, folder)
    watcher.say(f"{model.name}: {listing.bytes / 1e9:.2f} GB of commit {listing.revision[:12]}, checked, in {folder}")
    return record


def refuse_other_digests(model: Model, listing: Listing) -> None:
    """Raise ModelError where the hub says beforehand that it would send other bytes than are pinned."""
    for file in listing.files:
        pinned = model.pinned.get(file.path)
        if pinned is None:
            continue
        if pinned.sha256 and file.sha256 and pinned.sha256 != file.sha256:
            raise ModelError(
                f"{file.repository} offers {file.path} with SHA-256 {file.sha256[:12]}..., the catalogue pins "
                f"{pinned.sha256[:12]}...: not fetched. Is the mirror to be trusted?"
            )
        if pinned.bytes is not None and pinned.bytes != file.bytes:
            raise ModelError(
                f"{file.repository} offers {file.path} with {file.bytes:,} bytes, the catalogue pins "
                f"{pinned.bytes:,}: not fetched"
            )


def _fetch(model: Model, listing: Listing, partial: Path, hub: Hub, watcher: Watcher) -> tuple[RecordedFile, ...]:
    watcher.begin(f"{model.name}: fetching", listing.bytes)
    for file in listing.files:
        destination = partial / file.path
        destination.parent.mkdir(parents=True, exist_ok=True)
        have = destination.stat().st_size if destination.is_file() else 0
        if have > file.bytes:
            destination.unlink()
            have = 0
        watcher.advance(have)
        if have < file.bytes or not destination.is_file():
            hub.download(file, destination, watcher.advance)
    watcher.begin(f"{model.name}: checking", listing.bytes)
    return tuple(_checked(model, file, partial / file.path, watcher) for file in listing.files)


def _checked(model: Model, file: HubFile, path: Path, watcher: Watcher) -> RecordedFile:
    """Return what to record of a file. Raises ModelError, and throws it away, where it is not what it should be."""
    sha256 = sha256_of(path, watcher.advance)
    pinned = model.pinned.get(file.path)
    wanted = (pinned.sha256 if pinned else None) or file.sha256
    is_right = sha256 == wanted if wanted else git_blob_id_of(path) == file.blob_id
    if is_right and path.stat().st_size == file.bytes:
        return RecordedFile(file.path, file.bytes, sha256)
    path.unlink()
    raise ModelError(
        f"{file.path} of {file.repository} came with SHA-256 {sha256[:12]}..., which is not what "
        f"{'the catalogue pins' if pinned and pinned.sha256 else 'the hub states for that commit'}: thrown away. "
        "Pull again; if it stays so, what stands between here and the hub changes it"
    )


def _reuse(listing: Listing, folder: Path, partial: Path) -> None:
    """Link those files of an older or damaged folder that are right, so that only the others are fetched."""
    for file in listing.files:
        there, destination = folder / file.path, partial / file.path
        if destination.exists() or not there.is_file() or there.stat().st_size != file.bytes:
            continue
        if (sha256_of(there) == file.sha256) if file.sha256 else (git_blob_id_of(there) == file.blob_id):
            destination.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(there, destination)
            except OSError:  # a file system without hard links
                shutil.copyfile(there, destination)


def _check_room(model: Model, listing: Listing, partial: Path) -> None:
    """Raise ModelError where the disk cannot take what is still to come."""
    have = sum((partial / file.path).stat().st_size for file in listing.files if (partial / file.path).is_file())
    needed, free = listing.bytes - have + SPARE_BYTES, shutil.disk_usage(partial).free
    if free < needed:
        raise ModelError(
            f"{model.name} needs {needed / 1e9:.2f} GB more on the disk of {partial.parent}, which has "
            f"{free / 1e9:.2f} GB free: make room, or name another folder with --dir"
        )


def _put_in_place(record: Record, partial: Path, folder: Path) -> None:
    """Let the fetched folder take the model's place. A service that has the old one open keeps it."""
    wanted = {file.path for file in record.files}
    for path in [path for path in partial.rglob("*") if path.is_file()]:
        if str(path.relative_to(partial)) not in wanted:
            path.unlink()  # of an earlier commit; and the lock, which is held on the open file
    record.write(partial)
    old = folder.with_name(f"{folder.name}.old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.replace(old)
    partial.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _locked(partial: Path) -> Iterator[None]:
    """Hold a model's partial folder. Raises ModelError where another pull has it, or where it cannot be made."""
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock = (partial / LOCK).open("w")
    except OSError as error:
        raise ModelError(f"{partial} cannot be written ({error}): name another folder with --dir") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ModelError(f"another pull is filling {partial}: wait for it") from error
        yield
