"""The one gate that every tool call passes on its way out, whichever engine made it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry

from services.common.errors import EngineFault, InvalidInput
from services.llm.engine import Tool, ToolCall

TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_ARGUMENTS_CHARS = 65_536
MAX_TOLD_CHARS = 300
Validators: TypeAlias = "Mapping[str, Draft202012Validator]"


def compile_tools(tools: Iterable[Tool]) -> Validators:
    """Return a validator for each tool's arguments. Raises InvalidInput that names the tool whose schema is no good."""
    validators: dict[str, Draft202012Validator] = {}
    for tool in tools:
        if TOOL_NAME.fullmatch(tool.name) is None:
            raise InvalidInput(f"tool name {tool.name[:80]!r}: use 1 to 64 of A-Z, a-z, 0-9, _ and -")
        if tool.name in validators:
            raise InvalidInput(f"tool {tool.name!r} is defined twice")
        try:
            validators[tool.name] = _compiled(tool.parameters_json_schema)
        except ValueError as fault:
            raise InvalidInput(f"tool {tool.name!r}: {fault}") from None
    return validators


class BadCall(EngineFault):
    """A call that the model can put right. The message never holds the arguments: they are what a caller said."""

    def __init__(self, message: str, kind: str, told: str) -> None:
        """`kind`: as in the metric. `told`: for the model alone; it may quote the arguments."""
        super().__init__(message)
        self.kind = kind
        self.told = told


def check_call(call: ToolCall, validators: Validators) -> None:
    """Raise BadCall unless `call` names an offered tool and its arguments are an object that fits the schema.

    Raises EngineFault for what no model can help: a call without an id, a schema without end.
    """
    if not call.id:
        raise EngineFault(f"the engine called {call.name[:64]!r} without a call id")
    validator = validators.get(call.name)
    if validator is None:
        there_is = ", ".join(validators) or "none"
        raise BadCall(
            f"the engine called {call.name[:64]!r}, which is not among the tools",
            "unknown",
            f"there is no tool {call.name[:64]}; those that there are: {there_is}",
        )
    if len(call.arguments_json) > MAX_ARGUMENTS_CHARS:
        raise _bad_arguments(call, f"with more than {MAX_ARGUMENTS_CHARS} characters", "are too long")
    try:
        arguments = json.loads(call.arguments_json, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _bad_arguments(call, "with arguments that are no JSON", "are no JSON, or were cut short") from None
    if not isinstance(arguments, dict):
        raise _bad_arguments(call, "with arguments that are no JSON object", "are no JSON object")
    try:
        error = next(validator.iter_errors(arguments), None)
    except RecursionError:
        raise EngineFault(f"the schema of {call.name!r} refers to itself without end") from None
    if error is not None:
        # The error's own text quotes the arguments; where in the schema it arose does not.
        where = "/".join(str(part) for part in error.schema_path)
        told = f"do not fit its schema at {where}: {error.message[:MAX_TOLD_CHARS]}"
        raise _bad_arguments(call, f"with arguments that break its schema at {where}", told)


def _bad_arguments(call: ToolCall, message: str, told: str) -> BadCall:
    return BadCall(f"the engine called {call.name!r} {message}", "arguments", f"the arguments for {call.name} {told}")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


@lru_cache(maxsize=512)
def _compiled(schema_json: str) -> Draft202012Validator:
    """Compile a schema, or raise ValueError. Sessions of one agent share the result, found by the text's hash."""
    try:
        schema = json.loads(schema_json)
    except (ValueError, RecursionError):
        raise ValueError("parameters_json_schema is no JSON") from None
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise ValueError('parameters_json_schema must be an object schema: {"type": "object", ...}')
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as fault:
        where = "/".join(str(part) for part in fault.absolute_path) or "its top"
        raise ValueError(f"parameters_json_schema is no valid JSON schema at {where}: {fault.message[:200]}") from None
    _check_nodes(schema, schema)
    # An empty registry: by default jsonschema fetches remote references over HTTP.
    return Draft202012Validator(schema, registry=Registry())


def _check_nodes(node: Any, root: Mapping[str, Any]) -> None:
    """Refuse what the metaschema lets through and validation would trip over: foreign references, bad patterns."""
    if isinstance(node, list):
        for item in node:
            _check_nodes(item, root)
    if not isinstance(node, dict):
        return
    reference = node.get("$ref")
    if isinstance(reference, str) and not _resolves(reference, root):
        raise ValueError(f"$ref {reference[:80]!r} points to nothing inside the schema")
    if "$dynamicRef" in node or "$id" in node:
        raise ValueError("$id and $dynamicRef are not supported")
    for pattern in _patterns(node):
        try:
            re.compile(pattern)
        except re.error as fault:
            raise ValueError(f"pattern {pattern[:80]!r}: {fault}") from None
    for value in node.values():
        _check_nodes(value, root)


def _patterns(node: Mapping[str, Any]) -> list[str]:
    by_name = node.get("patternProperties")
    found = list(by_name) if isinstance(by_name, dict) else []
    if isinstance(node.get("pattern"), str):
        found.append(node["pattern"])
    return found


def _resolves(reference: str, root: Mapping[str, Any]) -> bool:
    if reference != "#" and not reference.startswith("#/"):
        return False
    node: Any = root
    for part in reference.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return isinstance(node, dict | bool)
