"""What a tool server offers and returns, made ours: names that a model may call, schemas that it accepts, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, TextContent

from services.orchestrator.agent_tools import check_object_schema
from services.orchestrator.tools.base import ToolError, check_result

MAX_NAME_CHARS = 64
MAX_DESCRIPTION_CHARS = 4_000
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


def offered_name(prefix: str, name: str) -> str:
    """Return the name under which the model is offered a server's tool: MCP's may have dots and slashes."""
    return (prefix + _NOT_IN_NAMES.sub("_", name))[:MAX_NAME_CHARS]


def check_usable(schema: Mapping[str, Any]) -> None:
    """Raise ValueError for a schema that the language model service would refuse, and with it every answer."""
    check_object_schema(schema)
    _check_nodes(schema, schema)


def _check_nodes(node: Any, root: Mapping[str, Any]) -> None:
    if isinstance(node, list):
        for item in node:
            _check_nodes(item, root)
    if not isinstance(node, Mapping):
        return
    if "$dynamicRef" in node or "$id" in node:
        raise ValueError("it has $id or $dynamicRef")
    reference = node.get("$ref")
    if isinstance(reference, str) and not _resolves(reference, root):
        raise ValueError("a $ref of it points to nothing inside it")
    for value in node.values():
        _check_nodes(value, root)


def _resolves(reference: str, root: Any) -> bool:
    if reference != "#" and not reference.startswith("#/"):
        return False
    for part in reference[2:].split("/") if reference != "#" else ():
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(root, Mapping) or name not in root:
            return False
        root = root[name]
    return True


def result_json(result: CallToolResult, name: str) -> str:
    """Return what a tool returned as JSON text. Raises ToolError where it says that it failed, or said too much.

    Structured content goes before text. Text that is JSON is taken as it is, any other as a string. What is no text (an
    image, a sound) cannot be told on the telephone: its kind is named.
    """
    texts = [part.text if isinstance(part, TextContent) else f"[{part.type}]" for part in result.content]
    if result.is_error:
        raise ToolError(f"tool {name} failed: {' '.join(texts)[:500]}")
    if result.structured_content is not None:
        return check_result(_dumped(result.structured_content, name), f"tool {name}")
    text = "\n".join(texts)
    try:
        return check_result(text, f"tool {name}")
    except ToolError:
        return check_result(json.dumps(text), f"tool {name}")


def _dumped(value: Any, name: str) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise ToolError(f"tool {name} returned no JSON") from error
