"""Bring a virtual environment up to date with its lock file: setup_env.py cpu|dev|proto.

`cpu` and `dev` share .venv (dev.lock holds all of cpu.lock), `proto` has .venv-proto. What was installed is remembered
by content in a stamp, so that a run with nothing to do takes a few milliseconds. Standard library alone: it runs before
anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
PROTO_PYTHONS = ("python3.13", "python3.12", "python3.11")
"""grpcio-tools 1.71.2, which generates stubs that import everywhere, has wheels up to Python 3.13."""
COVERS = {"cpu": ("cpu",), "dev": ("dev", "cpu"), "proto": ("proto",)}
"""Which locks are satisfied once a kind is installed."""


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


@dataclass
class Stamp:
    """What an environment was made from."""

    root: str = ""
    python: str = ""
    project: str = ""
    locks: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Stamp:
        """Return the stamp at `path`, or an empty one where there is none that can be read."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return cls()


def digest(path: Path) -> str:
    """Return the content hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def package_names(lock_text: str) -> set[str]:
    """Return the packages a lock names for this kind of machine."""
    lines = re.findall(r"^([A-Za-z0-9._-]+)==\S+(.*)$", lock_text, re.MULTILINE)
    return {name for name, marker in lines if "== 'win32'" not in marker and "== 'emscripten'" not in marker}


class Progress:
    """One line that says what is going on and how far it is; a new line now and then where there is no terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._began = time.monotonic()
        self._last_s = 0.0

    def show(self, text: str, done: bool = False) -> None:
        """Show `text`; at most every few seconds where lines pile up."""
        now = time.monotonic()
        elapsed = now - self._began
        if self._live:
            self._out.write(f"\r\033[K  {text}  {elapsed:.0f} s" + ("\n" if done else ""))
        elif done or now - self._last_s >= 10:
            self._last_s = now
            self._out.write(f"  {text}  {elapsed:.0f} s\n")
        self._out.flush()


def run_pip(python: Path, arguments: list[str], what: str, total: int, progress: Progress) -> None:
    """Run pip and show how far it is. Raises SetupError with the end of its output where it fails."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *arguments]
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL
    ) as process:
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
        reader.start()
        site = next((python.parent.parent / "lib").glob("python3*/site-packages"))
        while True:
            try:
                status = process.wait(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                progress.show(f"{what}: {_how_far(lines, site, total)}")
        reader.join()
    if status:
        raise SetupError(f"pip failed ({what}):\n{''.join(lines[-12:])}\n{_hint(lines)}")
    progress.show(f"{what}: done", done=True)


def _how_far(lines: list[str], site: Path, total: int) -> str:
    if any(line.startswith("Installing collected") for line in lines):
        return f"installing {min(total, len(list(site.glob('*.dist-info'))))} of {total}"
    named = [line.split()[1] for line in lines if line.startswith("Collecting ")]
    if total == 1:
        return "building"
    return f"fetching {min(total, len(named))} of {total} {named[-1] if named else ''}"


def _hint(lines: list[str]) -> str:
    text = "".join(lines)
    if "No matching distribution" in text:
        return (
            "No wheel fits this Python and machine, or the package index cannot be reached. Parley is tested with "
            "Python 3.11 on Linux: try make PYTHON=python3.11 ..."
        )
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in text:
        return "A download differs from the lock: do not install it. Try again; if it stays, report it."
    return "Look at the lines above; a second run goes on from what was already fetched."


def make_venv(venv: Path, interpreter: str) -> None:
    """Make an empty environment. Raises SetupError where the interpreter lacks what is needed for it."""
    if venv.exists():
        shutil.rmtree(venv)
    made = subprocess.run([interpreter, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if made.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        raise SetupError(
            f"{interpreter} -m venv failed:\n{(made.stdout + made.stderr).strip()[-600:]}\n"
            "On Debian and Ubuntu the module comes apart from Python: apt-get install python3-venv"
        )


def version_of(interpreter: str) -> str:
    """Return "3.11" for an interpreter that runs, "" for one that does not."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def interpreter_for(kind: str) -> str:
    """Return the interpreter an environment of this kind is made with. Raises SetupError where none fits."""
    if kind != "proto" or sys.version_info < (3, 14):
        return sys.executable
    found = next((path for name in PROTO_PYTHONS if (path := shutil.which(name)) and version_of(path)), None)
    if found is None:
        raise SetupError("the stub generator needs Python 3.11, 3.12 or 3.13 beside this one: install one of them")
    return found


def is_stale(venv: Path, stamp: Stamp, wanted_python: str | None) -> bool:
    """Tell whether the environment must be made anew: missing, moved, broken, or not of the Python asked for."""
    python = venv / "bin" / "python"
    if not python.exists() or (stamp.root and stamp.root != str(ROOT)):
        return True
    if wanted_python is None and stamp.python:
        return False
    actual = version_of(str(python))
    return not actual or (wanted_python is not None and actual != wanted_python)


def setup(kind: str, exact_python: bool) -> None:
    """Bring the environment of `kind` up to date; do nothing where it is."""
    venv = ROOT / (".venv-proto" if kind == "proto" else ".venv")
    lock = ROOT / "requirements" / f"{kind}.lock"
    stamp_path = venv / "parley-setup.json"
    stamp = Stamp.read(stamp_path)
    wanted = {"root": str(ROOT), "lock": digest(lock), "project": digest(ROOT / "pyproject.toml")}
    this_python = f"{sys.version_info.major}.{sys.version_info.minor}"
    rebuild = is_stale(venv, stamp, this_python if exact_python and kind != "proto" else None)
    needs_lock = rebuild or stamp.locks.get(kind) != wanted["lock"]
    needs_project = kind != "proto" and (needs_lock or stamp.project != wanted["project"])
    if not (needs_lock or needs_project):
        return
    progress = Progress(sys.stdout)
    first = rebuild or not stamp.locks
    print(
        f"Setting up {venv.name}; only the first time takes a while" if first else f"Updating {venv.name}", flush=True
    )
    if rebuild:
        progress.show("making the environment")
        make_venv(venv, interpreter_for(kind))
        stamp = Stamp()
    stamp_path.unlink(missing_ok=True)  # a run that is cut short must not look finished
    python = venv / "bin" / "python"
    if needs_lock:
        arguments = [
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--progress-bar",
            "off",
            "-r",
            str(lock),
        ]
        total = len(package_names(lock.read_text()))
        run_pip(python, arguments, f"packages of {lock.relative_to(ROOT)}", total, progress)
    if needs_project:
        run_pip(python, ["--no-deps", "--no-build-isolation", "-e", str(ROOT)], "parley itself", 1, progress)
        stamp.project = wanted["project"]
    stamp.root, stamp.python = wanted["root"], version_of(str(python))
    if needs_lock:
        covered = {name: digest(ROOT / "requirements" / f"{name}.lock") for name in COVERS[kind]}
        stamp.locks = {**stamp.locks, **covered}
    stamp_path.write_text(json.dumps(stamp.__dict__))


def main() -> int:
    """Parse arguments and set up; 1 with a text that says what to do where it failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(COVERS))
    parser.add_argument("--rebuild-for-this-python", action="store_true", help="make .venv anew if of another Python")
    arguments = parser.parse_args()
    try:
        setup(arguments.kind, arguments.rebuild_for_this_python)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
