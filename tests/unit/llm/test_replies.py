"""Replies are read while they are written: text at once, calls whole, thinking never, however they are cut."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import EngineFault
from services.llm.engine import TextDelta, ToolCall
from services.llm.engines.chat.replies import MAX_CALL_CHARS, ReplyReader

pytestmark = pytest.mark.unit

CALL = '<tool_call>\n{"name": "look_up", "arguments": {"day": "tuesday"}}\n</tool_call>'
REPLY = f"<think>\n\n</think>\n\nLet me see, 2 < 3.\n{CALL}\n{CALL}\nDone <b>."


def read(pieces: list[str]) -> list[tuple[str, str]]:
    """Return what came out, neighbouring text joined: ("text", ...) and ("look_up", arguments)."""
    reader = ReplyReader()
    found = [piece for text in pieces for piece in reader.feed(text)] + reader.finish()
    read: list[tuple[str, str]] = []
    for piece in found:
        if isinstance(piece, ToolCall):
            read.append((piece.name, piece.arguments_json))
        elif read and read[-1][0] == "text":
            read[-1] = ("text", read[-1][1] + piece.text)
        else:
            read.append(("text", piece.text))
    return read


WHOLE = [
    ("text", "Let me see, 2 < 3.\n"),
    ("look_up", '{"day": "tuesday"}'),
    ("look_up", '{"day": "tuesday"}'),
    ("text", "Done <b>."),
]


def test_a_reply_in_one_piece() -> None:
    assert read([REPLY]) == WHOLE


@given(cuts=st.sets(st.integers(0, len(REPLY))))
def test_where_it_is_cut_does_not_matter(cuts: set[int]) -> None:
    places = sorted({0, len(REPLY), *cuts})
    assert read([REPLY[start:end] for start, end in itertools.pairwise(places)]) == WHOLE


def test_text_leaves_at_once_and_only_the_beginning_of_a_tag_is_held() -> None:
    reader = ReplyReader()
    assert reader.feed("One two") == [TextDelta("One two")]
    assert reader.feed(" three <tool") == [TextDelta(" three ")]
    assert reader.feed("box>") == [TextDelta("<toolbox>")]
    assert reader.finish() == []


def test_a_call_leaves_when_its_tag_closes_and_nothing_of_it_before() -> None:
    reader = ReplyReader()
    assert reader.feed(CALL[:-1]) == []
    assert reader.done_chars == 0
    (call,) = reader.feed(CALL[-1])
    assert isinstance(call, ToolCall)
    assert reader.done_chars == len(CALL)
    assert call.id


def test_calls_have_ids_of_their_own() -> None:
    found = ReplyReader().feed(CALL + CALL)
    assert len({call.id for call in found if isinstance(call, ToolCall)}) == 2


def test_a_tag_within_the_arguments_does_not_end_the_call() -> None:
    arguments = {"text": "say </tool_call> twice: </tool_call>"}
    body = json.dumps({"name": "look_up", "arguments": arguments})
    ((name, read_back),) = read([f"<tool_call>{body}</tool_call>"])
    assert (name, json.loads(read_back)) == ("look_up", arguments)


def test_the_end_of_the_reply_stands_for_a_closing_tag() -> None:
    assert read([CALL.removesuffix("\n</tool_call>")]) == [("look_up", '{"day": "tuesday"}')]


@pytest.mark.parametrize(
    "body",
    ['{"name": "look_up", "arguments": {"day": ', "look_up(tuesday)", '["look_up"]', '{"arguments": {}}', ""],
)
@pytest.mark.parametrize("end", ["</tool_call>", ""])
def test_a_call_that_is_none_is_a_fault_and_never_spoken(body: str, end: str) -> None:
    reader = ReplyReader()
    assert reader.feed(f"Well. <tool_call>{body}{end}") == [TextDelta("Well. ")]
    with pytest.raises(EngineFault, match="tool call") as fault:
        reader.finish()
    assert "tuesday" not in str(fault.value)


def test_a_call_without_end_is_a_fault() -> None:
    reader = ReplyReader()
    with pytest.raises(EngineFault, match="more than"):
        reader.feed("<tool_call>" + "x" * (MAX_CALL_CHARS + 1))


@pytest.mark.parametrize("reply", ["<think>the caller is angry", "<think>hm</think>", "<think>\n</think>\n "])
def test_thinking_never_leaves(reply: str) -> None:
    assert read(list(reply)) == []


def test_thinking_that_the_prompt_has_opened_never_leaves() -> None:
    reader = ReplyReader(is_thinking=True)
    assert [piece for text in "hm, angry</think>\n\nHello." for piece in reader.feed(text)] == [
        TextDelta(character) for character in "Hello."
    ]


def test_arguments_given_as_a_string_are_passed_on_as_they_are() -> None:
    body = json.dumps({"name": "look_up", "arguments": '{"day": 1}'})
    assert read([f"<tool_call>{body}</tool_call>"]) == [("look_up", '{"day": 1}')]


@pytest.mark.parametrize("arguments", ['{"day": "mon\x10\tday"}', json.dumps('{"day": "mon\x10\tday"}')])
def test_control_characters_in_a_string_are_escaped(arguments: str) -> None:
    raw = f'{{"name": "look_up", "arguments": {arguments}}}'
    assert read([f"<tool_call>{raw}</tool_call>"]) == [("look_up", '{"day": "mon\\u0010\\tday"}')]
