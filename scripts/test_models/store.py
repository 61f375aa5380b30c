"""Where made models lie: in .models/test of a checkout, and in a cache of the user's that all checkouts share.

A model is known by a hash of the scripts that make it and the versions of the libraries that they use. Folders are
written aside and renamed, and a lock lets one process make a model while others wait, so that runs may overlap.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.setup_env import Progress

PACKAGE = Path(__file__).resolve().parent
STAMP = "made.json"

Make = Callable[[Path, Progress], dict[str, object]]
"""Fills an empty folder with a model, and returns what is worth knowing about it: figures for the stamp."""


@dataclass(frozen=True)
class Recipe:
    """How one model is made. Its scripts are the package of its name here, and `shared` ones beside it."""

    name: str
    libraries: tuple[str, ...]
    make: Make
    shared: tuple[str, ...] = ()

    @property
    def scripts(self) -> list[Path]:
        """Return the scripts that decide what the model becomes."""
        own = sorted((PACKAGE / self.name.replace("-", "_")).glob("*.py"))
        return [*own, *(PACKAGE / name for name in self.shared)]

    def digest(self) -> str:
        """Return the hash of the scripts and of the libraries' versions."""
        content = hashlib.sha256()
        for script in self.scripts:
            content.update(f"{script.name}\0".encode() + script.read_bytes() + b"\0")
        for library in self.libraries:
            content.update(f"{library}=={importlib.metadata.version(library)}\0".encode())
        return content.hexdigest()[:16]


def is_made(folder: Path, digest: str) -> bool:
    """Say whether `folder` holds the model of this digest, complete."""
    try:
        return bool(json.loads((folder / STAMP).read_text())["digest"] == digest)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def cache_dir() -> Path:
    """Return the user's cache of test models, made where it was missing; a folder in the checkout where that fails."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = base / "parley" / "test-models"
    try:
        found.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=found):
            return found
    except OSError:
        fallback = PACKAGE.parent.parent / ".models" / ".test-cache"
        fallback.mkdir(parents=True, exist_ok=True)
        return fallback


def ensure(recipe: Recipe, folder: Path, cache: Path, progress: Progress) -> bool:
    """See to it that `folder` holds the model of `recipe`: there already, from the cache, or made now.

    Returns whether something had to be done. Raises what making it raises; nothing half-made stays behind.
    """
    digest = recipe.digest()
    if is_made(folder, digest):
        return False
    kept = cache / digest
    with _locked(cache / f"{digest}.lock", lambda: progress.show(f"{recipe.name}: another run makes it; waiting")):
        if not is_made(kept, digest):
            with _written_aside(kept) as aside:
                figures = recipe.make(aside, progress)
                stamp = {"name": recipe.name, "digest": digest, "figures": figures}
                (aside / STAMP).write_text(json.dumps(stamp, indent=2))
        if not is_made(folder, digest):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _written_aside(folder) as aside:
                shutil.copytree(kept, aside, dirs_exist_ok=True)
    return True


@contextlib.contextmanager
def _written_aside(target: Path) -> Iterator[Path]:
    """Give a new folder beside `target`, and put it into its place once it is filled."""
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    aside.chmod(0o755)
    old = aside.with_name(f"{aside.name}-old")
    try:
        yield aside
        if target.exists():
            target.rename(old)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file at `path`; the system frees it when its holder ends, however it ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
