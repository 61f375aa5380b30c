"""The conversation as the model is shown it, and as it is kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice.llm.v1 import llm_pb2

from services.orchestrator.history import STILL_RUNNING, History, Message, ToolCall

pytestmark = pytest.mark.unit


def calling(*ids: str, content: str = "") -> Message:
    return Message("assistant", content, tool_calls=[ToolCall(call_id, "book", '{"n": 2}') for call_id in ids])


def shown(history: History) -> list[tuple[int, str, str]]:
    return [(message.role, message.content, message.tool_call_id) for message in history.for_model("Be brief.")[1:]]


def roles(history: History) -> list[str]:
    return [message.tool_call_id or message.role for message in history.messages]


def test_the_model_is_shown_the_prompt_and_every_message() -> None:
    history = History([Message("user", "hello"), Message("assistant", "Hi.")])
    messages = history.for_model("Be brief.")
    assert [(message.role, message.content) for message in messages] == [
        (llm_pb2.CHAT_ROLE_SYSTEM, "Be brief."),
        (llm_pb2.CHAT_ROLE_USER, "hello"),
        (llm_pb2.CHAT_ROLE_ASSISTANT, "Hi."),
    ]


def test_an_answer_without_words_or_calls_is_not_shown() -> None:
    history = History([Message("user", "hello"), Message("assistant", ""), calling("a")])
    assert [role for role, *_ in shown(history)] == [
        llm_pb2.CHAT_ROLE_USER,
        llm_pb2.CHAT_ROLE_ASSISTANT,
        llm_pb2.CHAT_ROLE_TOOL,
    ]


def test_calls_are_shown_with_their_arguments() -> None:
    call = History([calling("a", content="One moment.")]).for_model("")[1].tool_calls[0]
    assert (call.id, call.name, call.arguments_json) == ("a", "book", '{"n": 2}')


def test_a_call_without_a_result_yet_is_answered_for_the_model_alone() -> None:
    history = History([calling("a", "b"), Message("user", "hello?")])
    history.add_result("b", '{"ok": true}')
    assert shown(history) == [
        (llm_pb2.CHAT_ROLE_ASSISTANT, "", ""),
        (llm_pb2.CHAT_ROLE_TOOL, STILL_RUNNING, "a"),
        (llm_pb2.CHAT_ROLE_TOOL, '{"ok": true}', "b"),
        (llm_pb2.CHAT_ROLE_USER, "hello?", ""),
    ]
    assert roles(history) == ["assistant", "b", "user"]


def test_a_late_result_goes_right_behind_its_call() -> None:
    history = History([Message("user", "book"), calling("a"), Message("user", "hello?"), Message("assistant", "Yes.")])
    history.add_result("a", "{}")
    assert roles(history) == ["user", "assistant", "a", "user", "assistant"]


def test_results_of_several_calls_stay_in_the_order_they_came() -> None:
    history = History([calling("a", "b"), calling("c")])
    for call_id in ("b", "c", "a"):
        history.add_result(call_id, "{}")
    assert roles(history) == ["assistant", "b", "a", "assistant", "c"]


def test_a_result_of_a_call_that_was_taken_back_is_dropped() -> None:
    history = History()
    message = history.add(calling("a"))
    history.remove(message)
    history.add_result("a", "{}")
    assert history.messages == []


def test_unsaying_takes_back_that_very_message() -> None:
    history = History([Message("user", "yes")])
    second = history.add(Message("user", "yes"))
    history.add(Message("user", "yes"))
    history.remove(second)
    history.remove(second)
    assert len(history.messages) == 2
    assert all(message is not second for message in history.messages)


@pytest.mark.parametrize(
    ("messages", "unanswered"),
    [
        ([], ""),
        ([Message("user", "hello")], "hello"),
        ([Message("user", "hello"), Message("assistant", "Hi.")], ""),
        ([Message("assistant", "Hi."), Message("user", "book a table")], "book a table"),
    ],
)
def test_what_was_left_without_an_answer(messages: list[Message], unanswered: str) -> None:
    assert History(messages).unanswered_text == unanswered


TEXTS = st.text(max_size=30)
MESSAGES = st.lists(
    st.one_of(
        st.builds(Message, st.sampled_from(["user", "assistant"]), TEXTS),
        st.builds(Message, st.just("assistant"), TEXTS, st.lists(st.builds(ToolCall, TEXTS, TEXTS, TEXTS), max_size=3)),
        st.builds(Message, st.just("tool"), TEXTS, st.just([]), TEXTS),
    ),
    max_size=8,
)


@given(MESSAGES)
def test_a_history_survives_json(messages: list[Message]) -> None:
    history = History(messages)
    kept = json.loads(json.dumps(history.to_json()))
    assert History.from_json(kept).messages == history.messages


@given(st.lists(st.booleans(), max_size=6), st.data())
def test_the_model_always_sees_each_call_answered_once_and_at_once(speaks: list[bool], data: st.DataObject) -> None:
    """Models refuse a conversation in which a call is not followed by its result."""
    history = History()
    ids: list[str] = []
    for is_user in speaks:
        if is_user:
            history.add(Message("user", "hm"))
        else:
            new = [f"call-{len(ids)}", f"call-{len(ids) + 1}"]
            ids += new
            history.add(calling(*new))
    for call_id in data.draw(st.permutations(ids)) if ids else []:
        if data.draw(st.booleans()):
            history.add_result(call_id, "{}")
    awaited: set[str] = set()
    for message in history.for_model("")[1:]:
        if message.role == llm_pb2.CHAT_ROLE_TOOL:
            assert message.tool_call_id in awaited
            awaited.remove(message.tool_call_id)
        else:
            assert not awaited
            awaited = {call.id for call in message.tool_calls}
    assert not awaited


def test_a_report_takes_its_call_to_the_end_and_leaves_what_was_said_with_it() -> None:
    history = History([calling("a", "b", content="I have started it."), Message("user", "fine")])
    history.add_result("b", "{}")
    assert not history.has_untold_report
    history.add_report("a", '{"ok": true}')
    assert shown(history) == [
        (llm_pb2.CHAT_ROLE_ASSISTANT, "I have started it.", ""),
        (llm_pb2.CHAT_ROLE_TOOL, "{}", "b"),
        (llm_pb2.CHAT_ROLE_USER, "fine", ""),
        (llm_pb2.CHAT_ROLE_ASSISTANT, "", ""),
        (llm_pb2.CHAT_ROLE_TOOL, '{"ok": true}', "a"),
    ]
    calls = [[call.id for call in message.tool_calls] for message in history.for_model("")[1:]]
    assert calls == [["b"], [], [], ["a"], []]


def test_a_report_is_untold_until_somebody_speaks_and_a_resumed_session_knows_it() -> None:
    history = History([calling("a")])
    history.add_report("a", "{}")
    assert History.from_json(json.loads(json.dumps(history.to_json()))).has_untold_report
    history.add(Message("assistant", "It is done."))
    assert not history.has_untold_report


def test_a_report_of_a_call_that_nobody_made_is_dropped() -> None:
    history = History([Message("user", "hello")])
    history.add_report("a", "{}")
    assert roles(history) == ["user"]


def test_a_fork_leaves_its_origin_as_it_is_until_it_is_adopted() -> None:
    history = History([Message("user", "hello"), Message("assistant", "", [ToolCall("1", "look", "{}")])])
    fork = history.fork()
    said = fork.add(Message("user", "and more"))
    assert len(history.messages) == 2
    assert history.adopt(fork)
    assert history.messages[-1] is said
    assert len(history.messages) == 3


@pytest.mark.parametrize("how", ["result", "cut", "added", "removed"])
def test_a_fork_of_what_has_changed_since_is_not_adopted(how: str) -> None:
    history = History([Message("user", "hello"), Message("assistant", "One two.", [ToolCall("1", "look", "{}")])])
    fork = history.fork()
    fork.add(Message("user", "and more"))
    match how:
        case "result":
            history.add_result("1", "{}")
        case "cut":
            history.messages[1].content = "One"
        case "added":
            history.add(Message("assistant", "Are you there?"))
        case "removed":
            history.remove(history.messages[1])
    before = history.to_json()
    assert not history.adopt(fork)
    assert history.to_json() == before
