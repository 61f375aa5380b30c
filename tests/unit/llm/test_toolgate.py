"""The gate that tool calls pass: whole and valid, or not at all."""

from __future__ import annotations

import json

import pytest

from services.common.errors import EngineFault, InvalidInput
from services.llm.engine import Tool, ToolCall
from services.llm.toolgate import check_call, compile_tools

pytestmark = pytest.mark.unit

BOOK = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "enum": ["monday", "tuesday"]},
        "time": {"type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$"},
        "note": {"$ref": "#/$defs/note"},
    },
    "required": ["day", "time"],
    "additionalProperties": False,
    "$defs": {"note": {"type": "string", "maxLength": 10}},
}


def tool(schema: object, name: str = "book") -> Tool:
    return Tool(name, "", json.dumps(schema))


def call(arguments: str, name: str = "book", call_id: str = "c1") -> ToolCall:
    return ToolCall(call_id, name, arguments)


VALIDATORS = compile_tools([tool(BOOK)])


def test_a_valid_call_passes() -> None:
    check_call(call('{"day": "monday", "time": "10:30", "note": "short"}'), VALIDATORS)


@pytest.mark.parametrize(
    "bad",
    [
        call('{"day": "monday", "time": "10:30"}', name="cancel"),
        call('{"day": "monday", "time": "10:30"}', call_id=""),
        call('{"day": "monday", "time": '),
        call(""),
        call("[]"),
        call("NaN"),
        call('{"day": NaN, "time": "10:30"}'),
        call("[" * 100_000),
        call('{"day": "my secret", "time": "10:30"}'),
        call('{"day": "monday", "time": "my secret"}'),
        call('{"day": "monday"}'),
        call('{"day": "monday", "time": "10:30", "more": "my secret"}'),
        call('{"day": "monday", "time": "10:30", "note": "my secret is long"}'),
        call(json.dumps({"day": "monday", "time": "10:30", "note": "x" * 100_000})),
    ],
)
def test_any_other_call_is_the_engines_fault_and_is_not_quoted(bad: ToolCall) -> None:
    with pytest.raises(EngineFault) as refused:
        check_call(bad, VALIDATORS)
    assert bad.name in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "object schema"),
        ("{}", "object schema"),
        ('{"type": "string"}', "object schema"),
        ('{"type": "object", "properties": []}', "at properties"),
        ('{"type": "object", "required": "day"}', "at required"),
        ('{"type": "object", "properties": {"a": {"pattern": "("}}}', "pattern"),
        ('{"type": "object", "patternProperties": {"(": {}}}', "pattern"),
        ('{"type": "object", "$ref": "https://example.org/schema"}', "points to nothing"),
        ('{"type": "object", "$ref": "#/$defs/gone"}', "points to nothing"),
        ('{"type": "object", "$id": "https://example.org/schema"}', "not supported"),
    ],
)
def test_a_schema_that_cannot_be_used_is_named(schema: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        compile_tools([Tool("book", "", schema)])
    assert "tool 'book'" in str(refused.value)
    assert says in str(refused.value)


def test_a_schema_without_end_is_a_fault_and_no_crash() -> None:
    validators = compile_tools([tool({"type": "object", "$ref": "#"})])
    with pytest.raises(EngineFault, match="refers to itself"):
        check_call(call("{}"), validators)


def test_names_are_checked() -> None:
    for name in ("", "a b", "a" * 65, "é"):
        with pytest.raises(InvalidInput, match="tool name"):
            compile_tools([tool(BOOK, name)])
    with pytest.raises(InvalidInput, match="twice"):
        compile_tools([tool(BOOK), tool(BOOK)])


def test_the_same_schema_is_compiled_once() -> None:
    again = compile_tools([tool(BOOK, "other")])
    assert again["other"] is VALIDATORS["book"]
