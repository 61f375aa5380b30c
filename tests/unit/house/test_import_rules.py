"""The import rules are about modules that exist, and each is seen to fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.unit.house.tree import ROOT

pytestmark = pytest.mark.unit

CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
BREACHES = {
    "services/common/wire.py": "import services.tts.settings",
    "services/llm/engine.py": "from services.llm import servicer",
    "services/llm/engines/fake.py": "import grpc",
    "services/llm/settings.py": "import services.tts.settings\nimport services.llm.engines.fake",
    "services/turn/text.py": "import time",
    "parley/wav.py": "import services.tts.settings",
}
"""A line for each file, which together break every rule."""


def modules_named(contract: dict[str, Any]) -> list[str]:
    keys = ("modules", "source_modules", "forbidden_modules", "containers", "ancestors")
    names = [name for key in keys for name in contract.get(key, ())]
    return [name for name in names if name.split(".")[0] in ("services", "parley")]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: str(contract["name"])[:30])
def test_a_rule_is_about_modules_that_exist(contract: dict[str, Any]) -> None:
    for name in modules_named(contract):
        pattern = name.replace(".", "/")
        assert any(ROOT.glob(f"{pattern}.py")) or any(ROOT.glob(f"{pattern}/__init__.py")), name


def test_every_rule_can_be_broken(tmp_path: Path) -> None:
    for package in ("services", "parley"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, line in BREACHES.items():
        with (tmp_path / name).open("a") as file:
            file.write(f"\n{line}\n")
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    broken = set(re.findall(r"^(.*) BROKEN$", told.stdout, re.MULTILINE))
    assert broken == {contract["name"] for contract in CONTRACTS}, told.stdout
