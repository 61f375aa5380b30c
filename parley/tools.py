"""Tools that run in the caller's own program: an async function, and the schema of its arguments."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from parley.errors import CallMisused

Handler = Callable[..., Awaitable[Any]]
_PLAIN: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that runs at the client.

    `parameters` is a JSON schema of an object; the handler gets its properties as keyword arguments.
    """

    name: str
    handler: Handler
    description: str
    parameters: dict[str, Any]
    timeout_ms: int = 10_000

    async def run(self, arguments_json: str) -> str:
        """Call the handler and return its result as JSON. Raises whatever the handler raises."""
        return json.dumps(await self.handler(**json.loads(arguments_json or "{}")))


def make_tool(
    handler: Handler,
    *,
    name: str = "",
    description: str = "",
    parameters: dict[str, Any] | None = None,
    timeout_ms: int = 10_000,
) -> Tool:
    """Make a tool of an async function: its name, docstring and annotations tell the agent how to call it.

    Raises CallMisused where the function is not async, or where an annotation has no JSON schema and none is given.
    """
    title = name or getattr(handler, "__name__", "")
    if not inspect.iscoroutinefunction(handler):
        raise CallMisused(f"tool {title!r} must be an async function: write `async def {title}(...)`")
    text = description or inspect.getdoc(handler) or title
    schema = parameters if parameters is not None else _schema(handler, title)
    return Tool(title, handler, text, schema, timeout_ms)


def _schema(handler: Handler, title: str) -> dict[str, Any]:
    hints = typing.get_type_hints(handler)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in inspect.signature(handler).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise CallMisused(f"tool {title!r}: give `parameters`, a JSON schema: {parameter} has none")
        properties[parameter.name] = _type_schema(hints.get(parameter.name, str), title)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _type_schema(hint: Any, title: str) -> dict[str, Any]:
    origin, args = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is list:
        return {"type": "array", "items": _type_schema(args[0], title)}
    if origin is dict:
        return {"type": "object"}
    if origin in (Union, types.UnionType):
        return {"anyOf": [{"type": "null"} if arg is type(None) else _type_schema(arg, title) for arg in args]}
    raise CallMisused(f"tool {title!r}: no JSON schema for {hint!r}; give `parameters` yourself")
