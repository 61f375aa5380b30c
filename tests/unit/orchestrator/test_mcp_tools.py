"""What a tool server offers and returns: what of it a model can be offered and told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp_types import CallToolResult, ImageContent, TextContent

from services.orchestrator.tools.base import ToolError
from services.orchestrator.tools.mcp_tools import check_usable, offered_name, result_json

pytestmark = pytest.mark.unit


def with_property(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"p": schema}, **more}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        with_property({"type": "string", "pattern": "^[a-z]+$"}),
        with_property({"$ref": "#/$defs/a~1b"}, **{"$defs": {"a/b": {"type": "string"}}}),
        with_property({"$ref": "#"}),
    ],
)
def test_what_a_model_can_be_offered(schema: dict[str, Any]) -> None:
    check_usable(schema)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "array"}, "of type object"),
        (with_property({"type": 7}), "no valid JSON schema"),
        (with_property({"$id": "http://example.com"}), r"\$id or \$dynamicRef"),
        (with_property({"$ref": "http://example.com/schema"}), "points to nothing"),
        (with_property({"$ref": "#/$defs/none"}), "points to nothing"),
        (with_property({"type": "string", "pattern": "\\p{L}"}), "is not a 'regex'"),
        ({"type": "object", "patternProperties": {"(": {}}}, "is not a 'regex'"),
    ],
)
def test_what_no_model_can_be_offered_is_told(schema: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_usable(schema)


def test_names_are_such_as_a_model_may_call() -> None:
    assert offered_name("crm-", "notes/add.one") == "crm-notes_add_one"
    assert len(offered_name("crm-", "n" * 100)) == 64


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (CallToolResult(content=[TextContent(text='{"a": 1}')]), {"a": 1}),
        (CallToolResult(content=[TextContent(text="one"), TextContent(text="two")]), "one\ntwo"),
        (CallToolResult(content=[TextContent(text="x")], structured_content={"b": 2}), {"b": 2}),
        (CallToolResult(content=[ImageContent(data="AA==", mime_type="image/png")]), "[image]"),
        (CallToolResult(content=[]), ""),
    ],
)
def test_a_result_is_json(result: CallToolResult, told: Any) -> None:
    assert json.loads(result_json(result, "find")) == told


def test_a_failure_is_told_with_its_words() -> None:
    failed = CallToolResult(content=[TextContent(text="on fire")], is_error=True)
    with pytest.raises(ToolError, match="tool find failed: on fire"):
        result_json(failed, "find")
