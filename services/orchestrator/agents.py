"""Agent files: read and validated, with errors that name the file and the line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from services.common.errors import InvalidInput, NotFound
from services.orchestrator.agent import Agent

_MERGE = "tag:yaml.org,2002:merge"
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


class AgentBook:
    """All agents of a directory."""

    def __init__(self, agents: Mapping[str, Agent]) -> None:
        self._agents = dict(agents)

    @classmethod
    def load(cls, directory: Path, environment: Mapping[str, str] = os.environ) -> AgentBook:
        """Read every *.yaml of `directory`. Raises InvalidInput that names file and line of the first fault."""
        files = sorted(directory.glob("*.yaml"))
        if not files:
            raise InvalidInput(f"no agent files (*.yaml) in {directory.absolute()}: set PARLEY_ORCHESTRATOR_AGENTS_DIR")
        agents: dict[str, Agent] = {}
        for file in files:
            agent = load_agent(file, environment)
            if agent.name in agents:
                raise InvalidInput(f"{file}: there is another agent named {agent.name!r}")
            agents[agent.name] = agent
        return cls(agents)

    def get(self, name: str) -> Agent:
        """Return the agent of that name. Raises NotFound that lists those there are."""
        if name not in self._agents:
            raise NotFound(f"no agent named {name!r}; there are: {', '.join(sorted(self._agents))}")
        return self._agents[name]

    def all(self) -> list[Agent]:
        """Return the agents by name."""
        return [self._agents[name] for name in sorted(self._agents)]


def load_agent(file: Path, environment: Mapping[str, str] = os.environ) -> Agent:
    """Read one agent file. `${NAME:-default}` in any text is taken from `environment`."""
    text = _read(file, f"{file}:1")
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise InvalidInput(f"{file}:{line}: no valid YAML: {getattr(error, 'problem', error)}") from error
    if (twice := _key_given_twice(tree)) is not None:
        raise InvalidInput(f"{file}:{twice.start_mark.line + 1}: {twice.value}: it is there twice: keep one of them")
    if not isinstance(data, dict):
        raise InvalidInput(f"{file}:1: an agent file is a mapping with at least `name` and `prompt`")
    if "grammar" in data:
        line = _line_of(tree, ("grammar",))
        raise InvalidInput(f"{file}:{line}: grammar: write it into a file of its own and name that as asr.grammar_file")
    try:
        agent = Agent.model_validate(_substitute(data, environment))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{file}:{_line_of(tree, first['loc'])}: {where}: {first['msg']}") from error
    except RecursionError as error:
        raise InvalidInput(f"{file}:1: an anchor (&) is named (*) within itself, or it nests too deeply") from error
    if not agent.asr.grammar_file:
        return agent
    where = f"{file}:{_line_of(tree, ('asr', 'grammar_file'))}: asr.grammar_file"
    return agent.model_copy(update={"grammar": _read(file.parent / agent.asr.grammar_file, where)})


def _read(file: Path, where: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{where}: cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{where}: {file} is no UTF-8 text: {error.reason} at byte {error.start}") from error


def _substitute(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: environment.get(m.group(1)) or m.group(2) or "", value)
    if isinstance(value, dict):
        return {key: _substitute(inner, environment) for key, inner in value.items()}
    if isinstance(value, list):
        return [_substitute(inner, environment) for inner in value]
    return value


def _key_given_twice(tree: yaml.Node | None) -> yaml.ScalarNode | None:
    """Return the second of two equal keys of a mapping: YAML drops the first without a word."""
    waiting, known = [tree], set[int]()  # a node with an anchor may be in many places, even within itself
    while waiting:
        node = waiting.pop()
        if id(node) in known:
            continue
        known.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)
        elif isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                    if key.value in keys:
                        return key
                    keys.add(key.value)
            waiting += reversed([value for _, value in node.value])
    return None


def _line_of(node: yaml.Node | None, path: tuple[int | str, ...]) -> int:
    """Return the line (from 1) of the deepest node that `path` reaches."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
