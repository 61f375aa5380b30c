"""What a model is told about how long an answer may be."""

from __future__ import annotations

import pytest
from voice.llm.v1 import llm_pb2

from services.orchestrator.agent import Agent, Model
from services.orchestrator.asking import Asking
from services.orchestrator.history import History
from services.orchestrator.routing import FAST, LARGE
from services.orchestrator.tracing import CallTrace
from services.orchestrator.wording.guidance import guided

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("tag", "told"),
    [("en-GB", "at most three short"), ("de", "höchstens drei kurzen"), ("fr", "trois phrases"), ("es", "tres frases")],
)
def test_a_prompt_asks_for_few_sentences_in_its_language(tag: str, told: str) -> None:
    prompt = guided("You are a desk.", tag, 3)
    assert prompt.startswith("You are a desk.\n\n")
    assert told in prompt


def test_without_a_limit_the_prompt_is_the_agents() -> None:
    assert guided("You are a desk.", "en", 0) == "You are a desk."
    assert "at most one short" in guided("Du bist da.", "xx", 1)


def question(asked_route: str, **model: object) -> llm_pb2.GenerateConfig:
    agent = Agent.model_validate({"name": "a", "prompt": "p", "llm": model})
    return Asking([], "s", CallTrace("s", "a")).config(1, History(), agent, asked_route)


def test_the_route_names_the_model_and_the_limit_is_in_the_prompt() -> None:
    llm = {"model": "big", "fast_model": "small", "route": {"examples": ["hi"]}, "max_sentences": 2}
    assert question(FAST, **llm).model == "small"
    assert question(LARGE, **llm).model == "big"
    assert question("", model="only").model == "only"
    assert "two short sentences" in question("", **llm).messages[0].content
    assert Model().max_sentences == 3
