from __future__ import annotations

from typing import Any, Literal

import pytest

from parley.errors import CallMisused
from parley.tools import make_tool

pytestmark = pytest.mark.unit


async def book(day: str, guests: int = 2, area: Literal["inside", "garden"] | None = None) -> dict[str, Any]:
    """Books a table."""
    return {"day": day, "guests": guests, "area": area}


def test_the_schema_comes_from_the_signature() -> None:
    tool = make_tool(book)
    assert (tool.name, tool.description) == ("book", "Books a table.")
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "day": {"type": "string"},
            "guests": {"type": "integer"},
            "area": {"anyOf": [{"enum": ["inside", "garden"]}, {"type": "null"}]},
        },
        "required": ["day"],
        "additionalProperties": False,
    }


async def test_arguments_come_as_keywords_and_the_result_goes_as_json() -> None:
    assert await make_tool(book).run('{"day": "friday"}') == '{"day": "friday", "guests": 2, "area": null}'


def test_a_schema_that_is_given_is_taken() -> None:
    async def anything(**_: Any) -> None: ...

    tool = make_tool(anything, name="x", parameters={"type": "object"}, timeout_ms=500)
    assert (tool.name, tool.parameters, tool.timeout_ms) == ("x", {"type": "object"}, 500)


def test_a_plain_function_is_refused() -> None:
    with pytest.raises(CallMisused, match="async"):
        make_tool(lambda: None)  # type: ignore[arg-type, return-value]


def test_a_type_without_a_schema_is_refused() -> None:
    async def look(picture: bytearray) -> None: ...

    with pytest.raises(CallMisused, match="parameters"):
        make_tool(look)
