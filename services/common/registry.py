"""Engines by name, imported only when chosen."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from services.common.errors import InvalidInput


def how_to_install(extra: str) -> str:
    """Return the command that adds an extra. Never by name: on package indexes `parley` is a stranger's."""
    return f"pip install -e '.[{extra}]' in the checkout"


def load_engine(engines: Mapping[str, str], name: str, *, setting: str) -> Any:
    """Return the engine class that `name` stands for in a service's ENGINES table ("name" -> "module:Class").

    `setting` is the environment variable the name came from, for the error text.
    Raises InvalidInput for an unknown name, or where the engine's package is not installed (naming the extra).
    """
    if name not in engines:
        raise InvalidInput(f"{setting}={name!r}: no such engine; choose one of {', '.join(sorted(engines))}")
    module_name, _, class_name = engines[name].partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] == "services":
            raise  # the table, or the engine itself, names a module of ours that does not exist
        stage = module_name.split(".")[1]
        raise InvalidInput(
            f"{setting}={name!r} needs the package {missing.name!r}: {how_to_install(f'{stage}-{name}')}"
        ) from missing
    return getattr(module, class_name)
