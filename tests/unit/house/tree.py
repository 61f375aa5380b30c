"""Where things stand in the tree, for the tests of the house's own rules."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from types import ModuleType

from services.common.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[3]
STAGES = ("asr", "turn", "llm", "tts")
SERVICES = {"orchestrator": 50050, "asr": 50051, "turn": 50052, "llm": 50053, "tts": 50054}
"""Every service with its default port."""


def module(name: str) -> ModuleType:
    """Import a module of the tree by name."""
    return importlib.import_module(name)


def engines(stage: str) -> dict[str, str]:
    """Return a stage's ENGINES table; empty where it has none, which a test then tells."""
    try:
        table: dict[str, str] = module(f"services.{stage}.engines").ENGINES
    except (ImportError, AttributeError):
        return {}
    return table


def settings_class(service: str) -> type[ServiceSettings]:
    """Return the settings class that a service's settings.py defines."""
    found = [
        value
        for value in vars(module(f"services.{service}.settings")).values()
        if isinstance(value, type) and issubclass(value, ServiceSettings) and value is not ServiceSettings
    ]
    assert len(found) == 1, f"services/{service}/settings.py defines one settings class, not {found}"
    return found[0]


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the tree that git tracks or would track, by git's patterns."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [path for name in sorted(set(listed.stdout.split("\0"))) if name and (path := ROOT / name).is_file()]
