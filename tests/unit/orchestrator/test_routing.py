"""Which of two models answers: the small one what is surely simple, the larger one all else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.routing_set import COUNTEREXAMPLES, EXAMPLES, HARD, SIMPLE
from services.orchestrator.agent import Agent, Model, Route
from services.orchestrator.history import History, Message, ToolCall
from services.orchestrator.routing import FAST, LARGE, Router, Routes
from services.orchestrator.tracing import CallTrace

pytestmark = pytest.mark.unit

ROUTE = Route(examples=EXAMPLES, counterexamples=COUNTEREXAMPLES)


def choose(text: str, route: Route = ROUTE) -> str:
    return Router(route).choose([Message("user", text)])


@pytest.mark.parametrize("text", ["When are you open?", "when are you opened", "do you do brace's", "THANK YOU"])
def test_what_is_like_an_example_is_simple_however_it_is_spelled(text: str) -> None:
    assert choose(text) == FAST


@pytest.mark.parametrize("text", ["when is my appointment", "please cancel my booking", "tell me a story", "", "?!"])
def test_in_doubt_it_is_the_larger_one(text: str) -> None:
    assert choose(text) == LARGE


def test_a_counterexample_keeps_what_reads_alike_from_the_small_model() -> None:
    text = "when is my appointment"
    route = Route(examples=("when is the appointment desk open",), threshold=0.3)
    assert choose(text, route) == FAST
    assert choose(text, route.model_copy(update={"counterexamples": (text,)})) == LARGE


def test_a_keyword_makes_a_short_request_simple() -> None:
    route = Route(keywords=("opening hours",), max_words=6)
    assert choose("tell me the opening hours", route) == FAST
    assert choose("reopening hours", route) == LARGE
    assert choose("before I ask about opening hours I have to complain", route) == LARGE


def test_a_long_conversation_goes_to_the_larger_one() -> None:
    route = ROUTE.model_copy(update={"max_context_chars": 100})
    asked = Message("user", "when are you open")
    assert Router(route).choose([asked]) == FAST
    assert Router(route).choose([Message("assistant", "x" * 100), asked]) == LARGE


def test_what_answers_a_tool_goes_to_the_larger_one() -> None:
    call = Message("assistant", "", [ToolCall("c1", "hours", "{}")])
    result = Message("tool", "{}", tool_call_id="c1")
    assert Router(ROUTE).choose([Message("user", "when are you open"), call, result]) == LARGE


def test_an_agent_with_one_model_has_no_route() -> None:
    routes, history = Routes(CallTrace("s", "a")), History([Message("user", "when are you open")])
    one = Agent(name="a", prompt="p")
    two = Agent(name="a", prompt="p", llm=Model(fast_model="small", route=ROUTE))
    assert routes.of(1, one, history, "") == ""
    assert routes.of(1, two, history, "") == FAST
    assert routes.of(1, two, history, LARGE) == LARGE  # it failed before, or a tool was asked for


def test_a_small_model_without_a_route_is_refused() -> None:
    with pytest.raises(ValueError, match="examples or keywords"):
        Model(fast_model="small")


def test_on_the_labelled_set_hardly_anything_hard_goes_to_the_small_model() -> None:
    router = Router(ROUTE)
    wrong = [text for text in HARD if router.choose([Message("user", text)]) == FAST]
    taken = [text for text in SIMPLE if router.choose([Message("user", text)]) == FAST]
    assert len(wrong) <= len(HARD) // 10, wrong
    assert len(taken) > len(SIMPLE) // 2


@given(st.text(max_size=600))
def test_any_text_is_routed(text: str) -> None:
    router = Router(ROUTE)
    assert router.choose([Message("user", text)]) in (FAST, LARGE)
    like = router.likeness(text)
    assert 0 <= like.simple <= 1.0001
    assert 0 <= like.hard <= 1.0001
