"""Refuse what must not be in the tree: machine paths, index addresses, weights, recordings, long files, loose ends.

Looks at every file git tracks or would track. Each finding names the file, the line and what to do.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAX_CODE_LINES = 400
MAX_FILE_KIB = 512
GENERATED = "gen/"
CODE_SUFFIXES = (".py", ".sh")
ADDRESSED_LOCKS = ("uv.lock", "poetry.lock", "package-lock.json", "Pipfile.lock")
BINARY_SUFFIXES = (
    *(".onnx", ".bin", ".pt", ".pth", ".safetensors", ".gguf", ".npz", ".npy", ".ckpt"),
    *(".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".raw", ".pcm"),
)
COMMON_PARENTS = ("/", "/tmp/", "/opt/", "/srv/", "/src/", "/usr/src/", "/app/")  # noqa: S108  # names, not files
"""Where a checkout may lie without its path saying anything about a machine."""


@dataclass(frozen=True, slots=True)
class LineRule:
    """A pattern no line may match, in the files whose name matches `files`."""

    pattern: re.Pattern[str]
    advice: str
    files: re.Pattern[str] = re.compile("")


# The patterns are written so that they do not match their own text: [x] for x.
LINE_RULES = (
    LineRule(re.compile(r"--(extra-)?index[-]url|--find[-]links|pypi\.org/simpl[e]|files\.pythonhosted[.]org"),
             "an index address: whoever installs chooses the index"),
    LineRule(re.compile(r"(?<![\w.])/(root|home/[a-z][\w-]*|Users/[A-Za-z][\w-]*)[/]"),
             "a path of one machine: make it relative or a setting", re.compile(r"^(?!deploy/|.*Dockerfile)")),
    LineRule(re.compile(r"^(<{7} |>{7} |={7}$)"), "a merge conflict"),
    LineRule(re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|NotImplemented[E]rror)\b"),
             "a loose end: finish it, or open an issue", re.compile(r"\.(py|proto|sh)$")),
    LineRule(re.compile(r"pytest\.(mark\.)?(skip|xfai[l])|pytest\.importorski[p]"),
             "a skipped test: make it run, or remove it", re.compile(r"\.py$")),
)  # fmt: skip
LOCK_RULE = LineRule(re.compile(r"://|@ file"), "an address in a lock file: run scripts/lock.sh")


def line_findings(name: str, text: str, root: Path) -> Iterator[str]:
    """Yield what is wrong with the lines of one file."""
    rules = [rule for rule in LINE_RULES if rule.files.search(name)]
    if name.endswith(".lock"):
        rules.append(LOCK_RULE)
    parent = f"{root.parent}/"
    for number, line in enumerate(text.splitlines(), 1):
        for rule in rules:
            if match := rule.pattern.search(line):
                yield f"{name}:{number}: {match.group()!r}: {rule.advice}"
        if parent not in COMMON_PARENTS and parent in line:
            yield f"{name}:{number}: {parent!r}: where this checkout lies; make it relative or a setting"


def file_findings(name: str, content: bytes, root: Path) -> Iterator[str]:
    """Yield what is wrong with one file, given by its path in the tree and its content."""
    path = PurePosixPath(name)
    if path.name in ADDRESSED_LOCKS:
        yield f"{name}: a lock that records download addresses: lock by hash alone (scripts/lock.sh)"
    if path.suffix in BINARY_SUFFIXES:
        yield f"{name}: weights or a recording: fetch or make it when it is needed"
    if len(content) > MAX_FILE_KIB * 1024:
        yield f"{name}: {len(content) // 1024} KiB, over {MAX_FILE_KIB}: weights, audio, or generated?"
    if name.startswith(GENERATED):
        return
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    if path.suffix in CODE_SUFFIXES and (lines := text.count("\n")) > MAX_CODE_LINES:
        yield f"{name}: {lines} lines, over {MAX_CODE_LINES}: it has more than one subject"
    yield from line_findings(name, text, root)


def tree_files(root: Path) -> list[str]:
    """Return the files git tracks or would track. Raises CalledProcessError outside a git checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted({name for name in listed.stdout.split("\0") if name and (root / name).is_file()})


def findings(root: Path, names: Iterable[str]) -> list[str]:
    """Return all findings in the files `names` below `root`."""
    return [finding for name in names for finding in file_findings(name, (root / name).read_bytes(), root)]


def main() -> int:
    """Print the findings; 1 where there are any."""
    root = Path(__file__).resolve().parent.parent
    names = tree_files(root)
    found = findings(root, names)
    print("\n".join(found) if found else f"{len(names)} files are clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
