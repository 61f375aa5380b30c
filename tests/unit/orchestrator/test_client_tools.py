"""Tools at the caller's end: what it may define, and what it may answer."""

from __future__ import annotations

import asyncio
import json

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.errors import InvalidInput
from services.orchestrator.tools.base import END_CALL_TOOL, MAX_RESULT_BYTES, ToolError, ToolRequest, check_result
from services.orchestrator.tools.client import DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, ClientTools

pytestmark = pytest.mark.unit

DEADLINE_S = 5
SCHEMA = '{"type": "object", "properties": {"colour": {"type": "string"}}}'
REQUEST = ToolRequest("call-1", "lamp", {"colour": "red"}, "session-1")


def definition(name: str = "lamp", schema: str = SCHEMA, timeout_ms: int = 0) -> pb.ClientTool:
    return pb.ClientTool(name=name, description="A lamp.", parameters_json_schema=schema, timeout_ms=timeout_ms)


def result(call_id: str = "call-1", result_json: str = "", error: str = "") -> pb.ToolResult:
    return pb.ToolResult(call_id=call_id, result_json=result_json, error=error)


async def called(tools: ClientTools) -> asyncio.Task[str]:
    """Call the first tool, and return once it waits for the client."""

    async def run() -> str:
        return await tools.tools[0].run(REQUEST)

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    return task


# --- definitions ------------------------------------------------------------------------------------------------------


def test_a_tool_of_the_client_is_a_tool() -> None:
    tool = ClientTools([definition()], taken=["book"]).tools[0]
    assert (tool.name, tool.runs_at_client, tool.timeout_ms) == ("lamp", True, DEFAULT_TIMEOUT_MS)
    told = tool.definition()
    assert (told.name, told.description) == ("lamp", "A lamp.")
    assert json.loads(told.parameters_json_schema) == json.loads(SCHEMA)


@pytest.mark.parametrize(("asked_ms", "given_ms"), [(0, 10_000), (250, 250), (10**9, MAX_TIMEOUT_MS)])
def test_a_client_may_take_its_time_within_bounds(asked_ms: int, given_ms: int) -> None:
    assert ClientTools([definition(timeout_ms=asked_ms)], []).tools[0].timeout_ms == given_ms


@pytest.mark.parametrize("name", ["", "book", "end_call", "a lamp", "lämp", "a" * 65, "lamp\n", "a.b"])
def test_a_name_that_cannot_be_used_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="client tool"):
        ClientTools([definition(name)], taken=["book", "end_call"])


def test_a_name_is_given_once() -> None:
    with pytest.raises(InvalidInput, match="'lamp'"):
        ClientTools([definition(), definition()], [])


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "{",
        "7",
        "[]",
        "null",
        '"object"',
        "{}",
        '{"type": "array"}',
        '{"type": "object", "properties": 7}',
        "[" * 9999,
    ],
)
def test_a_schema_that_is_none_is_refused(schema: str) -> None:
    with pytest.raises(InvalidInput, match="client tool 'lamp': parameters_json_schema"):
        ClientTools([definition(schema=schema)], [])


# --- results ----------------------------------------------------------------------------------------------------------


async def test_the_client_answers() -> None:
    tools = ClientTools([definition()], [])
    task = await called(tools)
    tools.on_result(result(result_json=' {"ok": true}\n'))
    assert json.loads(await task) == {"ok": True}


async def test_the_client_fails() -> None:
    tools = ClientTools([definition()], [])
    task = await called(tools)
    tools.on_result(result(error="the bulb is broken" + "!" * 10_000))
    with pytest.raises(ToolError, match="the bulb is broken") as told:
        await task
    assert len(str(told.value)) < 300


async def test_the_client_does_not_answer_in_time() -> None:
    tools = ClientTools([definition(timeout_ms=20)], [])
    with pytest.raises(ToolError, match="within 20 ms"):
        await tools.tools[0].run(REQUEST)
    with pytest.raises(InvalidInput, match="no such call is waiting"):
        tools.on_result(result(result_json="{}"))  # too late


@pytest.mark.parametrize("text", ["", "{", "rubbish", "[" * 30_000, "NaN", '{"n": Infinity}', '"' + "a" * 33_000 + '"'])
async def test_an_answer_that_cannot_be_used_fails_the_call(text: str) -> None:
    tools = ClientTools([definition()], [])
    task = await called(tools)
    tools.on_result(result(result_json=text))
    with pytest.raises(ToolError):
        await task


@pytest.mark.parametrize("call_id", ["", "call-2"])
async def test_an_answer_nobody_waits_for_is_refused_and_the_one_awaited_still_counts(call_id: str) -> None:
    tools = ClientTools([definition()], [])
    task = await called(tools)
    with pytest.raises(InvalidInput, match="no such call is waiting"):
        tools.on_result(result(call_id, "{}"))
    tools.on_result(result(result_json="{}"))
    with pytest.raises(InvalidInput):
        tools.on_result(result(result_json="{}"))  # a second answer
    assert await task == "{}"


async def test_several_calls_are_answered_in_any_order() -> None:
    tools = ClientTools([definition()], [])
    requests = [ToolRequest(f"call-{number}", "lamp", {}, "session-1") for number in range(3)]
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        tasks = [group.create_task(_answer(tools, request)) for request in requests]
        await asyncio.sleep(0)
        for number in (2, 0, 1):
            tools.on_result(result(f"call-{number}", str(number)))
    assert [task.result() for task in tasks] == ["0", "1", "2"]


async def _answer(tools: ClientTools, request: ToolRequest) -> str:
    return await tools.tools[0].run(request)


async def test_a_call_that_is_cancelled_waits_no_more() -> None:
    tools = ClientTools([definition()], [])
    task = await called(tools)
    task.cancel()
    await asyncio.wait({task})
    with pytest.raises(InvalidInput, match="no such call"):
        tools.on_result(result(result_json="{}"))


# --- results of any tool ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["{}", "[1, 2]", '"a"', "7", "null", b'{"a": "\xc3\xa9"}', " " * 30_000 + "1"])
def test_any_json_is_a_result(text: str | bytes) -> None:
    assert json.loads(check_result(text, "the tool")) == json.loads(text)


@pytest.mark.parametrize(
    "text", ["", " ", "<html>", "{'a': 1}", b"\xff\xfe", b"\x00", "[" * 30_000, '{"a":' * 6_000, "NaN", "-Infinity"]
)
def test_what_is_no_json_is_a_failure_of_the_tool(text: str | bytes) -> None:
    with pytest.raises(ToolError, match="the tool returned no JSON"):
        check_result(text, "the tool")


def test_a_result_that_would_drown_the_prompt_is_refused() -> None:
    assert check_result('"' + "a" * (MAX_RESULT_BYTES - 2) + '"', "the tool")
    with pytest.raises(ToolError, match=f"more than {MAX_RESULT_BYTES} bytes"):
        check_result('"' + "a" * (MAX_RESULT_BYTES - 1) + '"', "the tool")


async def test_ending_the_call_is_a_tool_that_always_works() -> None:
    assert await END_CALL_TOOL.run(ToolRequest("a", "end_call", {}, "s")) == "{}"
    assert json.loads(END_CALL_TOOL.definition().parameters_json_schema)["type"] == "object"
