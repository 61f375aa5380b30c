"""YAML with the line of every value, so that an error can name it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

Path: TypeAlias = tuple[str | int, ...]
_INTEGER = re.compile(r"-?\d+")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


class YamlError(ValueError):
    """A file that is no YAML, or uses what is not supported here; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a file, and the line each of them stands on."""

    data: Any
    lines: Mapping[Path, int]

    def line_of(self, path: Sequence[str | int]) -> int:
        """Return the line of the value at `path`, or of the nearest value around it.

        Parts of `path` that are in no value (pydantic adds the names of union members) are passed over.
        """
        found: list[Path] = [()]
        for part in path:
            found += [(*before, part) for before in found if (*before, part) in self.lines]
        return self.lines.get(max(found, key=len), 1)


def parse_yaml(source: str) -> Document:
    """Read a file. Only true and false are booleans, and 10:30 is a text. Raises YamlError."""
    try:
        root = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark
        raise YamlError(mark.line + 1 if mark else 1, f"no valid YAML: {fault.problem}") from None
    except yaml.YAMLError as fault:
        raise YamlError(1, f"no valid YAML: {fault}") from None
    lines: dict[Path, int] = {}
    return Document(_value(root, (), lines) if root is not None else None, lines)


def _value(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError(key.start_mark.line + 1, "a key must be a word")
            if key.value in found:
                raise YamlError(key.start_mark.line + 1, f"{key.value!r} is there twice")
            lines[(*path, key.value)] = key.start_mark.line + 1
            found[key.value] = _value(value, (*path, key.value), lines)
        return found
    return _scalar(node)


def _scalar(node: yaml.Node) -> str | int | float | bool | None:
    text: str = node.value
    if getattr(node, "style", None) is not None:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
