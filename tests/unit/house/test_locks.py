"""Locks are hashed, name no address, and agree with one another and with pyproject."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.unit.house.tree import ROOT

pytestmark = pytest.mark.unit

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
ENTRY = re.compile(
    r"^([a-z0-9._-]+)==(\S+)(?: ; (.+?))? \\$((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?$)+)", re.MULTILINE
)


def entries(name: str) -> set[tuple[str, str, str]]:
    return {
        (entry[1], entry[2], entry[3] or "") for entry in ENTRY.finditer((ROOT / "requirements" / name).read_text())
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_is_a_pinned_package_its_hashes_or_a_comment(lock: Path) -> None:
    text = lock.read_text()
    rest = re.sub(r"^\s*#.*\n", "", ENTRY.sub("", text), flags=re.MULTILINE)
    assert not rest.strip()
    assert "://" not in text


def test_the_development_lock_holds_all_of_the_demos_at_the_same_versions() -> None:
    assert entries("cpu.lock")
    assert entries("cpu.lock") <= entries("dev.lock")


def test_what_pyproject_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    included = {"cpu": ["cpu", "build"], "dev": ["dev", "cpu", "build"]}
    included["cpu"] += re.findall(r"[a-z][a-z0-9-]+", extras["cpu"][0].split("[")[1])
    for lock, names in included.items():
        wanted = [*project["dependencies"], *(line for name in names for line in extras[name])]
        packages = {re.split(r"[\[<>=; ]", line)[0].lower().replace("_", "-") for line in wanted} - {"parley"}
        assert packages <= {name for name, _, _ in entries(f"{lock}.lock")}
