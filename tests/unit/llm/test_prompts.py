"""Prompts come from the model's own chat template, and what is warmed is what the next prompt begins with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from services.common.errors import InvalidInput
from services.llm.engine import GenerationRequest, Message, Role, Tool, ToolCall
from services.llm.engines.chat.prompts import Prompts
from services.llm.engines.chat.template import ChatTemplate, chat_of
from tests.unit.llm.chat_model import make_chat_model

pytestmark = pytest.mark.unit

SYSTEM = Message(Role.SYSTEM, "be brief")
HELLO = Message(Role.USER, "héllo")
REPLY = Message(Role.ASSISTANT, "Hi.")
LOOK_UP = Tool("look_up", "Looks up <a> day.", '{"type": "object", "properties": {"day": {"type": "string"}}}')
CALLED = Message(Role.ASSISTANT, "", (ToolCall("c1", "look_up", '{"day":"tuesday"}'),))
RESULT = Message(Role.TOOL, '{"free": true}', tool_call_id="c1")


@pytest.fixture
def prompts(tmp_path: Path) -> Prompts:
    return Prompts(make_chat_model(tmp_path / "m"))


def text(prompts: Prompts, ids: list[int]) -> str:
    return str(prompts.tokenizer.decode(ids, skip_special_tokens=False))


def asking(*messages: Message, **others: object) -> GenerationRequest:
    return dataclasses.replace(GenerationRequest(messages), **others)  # type: ignore[arg-type]


def test_a_prompt_asks_for_a_reply_without_thinking(prompts: Prompts) -> None:
    prompt = prompts.prompt(asking(SYSTEM, HELLO))
    assert text(prompts, prompt.ids) == (
        "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhéllo<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    assert not prompt.opens_thinking


def test_tools_and_calls_read_as_the_model_learned_them(prompts: Prompts) -> None:
    found = text(prompts, prompts.prompt(asking(SYSTEM, HELLO, CALLED, RESULT, tools=(LOOK_UP,))).ids)
    schema = json.dumps({"type": "object", "properties": {"day": {"type": "string"}}})
    assert f'"description": "Looks up <a> day.", "parameters": {schema}' in found
    assert '<tool_call>\n{"name": "look_up", "arguments": {"day": "tuesday"}}\n</tool_call>' in found
    assert 'look_up: {"free": true}</tool_response>' in found


def test_the_language_is_asked_for_in_the_one_system_message(prompts: Prompts) -> None:
    for messages in ((SYSTEM, HELLO), (HELLO,)):
        found = text(prompts, prompts.prompt(asking(*messages, language="de-AT")).ids)
        assert found.count("system\n") == 1
        assert "BCP 47 tag de-AT." in found


@pytest.mark.parametrize(
    "history", [(SYSTEM,), (SYSTEM, HELLO, REPLY), (HELLO, CALLED, RESULT, REPLY)], ids=["system", "reply", "tool"]
)
def test_what_is_warmed_is_what_the_next_prompt_begins_with(prompts: Prompts, history: tuple[Message, ...]) -> None:
    warmed = prompts.prefix_ids(asking(*history, tools=(LOOK_UP,)))
    for said in ("And tomorrow?", "Zebra", "A"):
        following = prompts.prompt(asking(*history, Message(Role.USER, said), tools=(LOOK_UP,))).ids
        assert following[: len(warmed)] == warmed
    assert text(prompts, warmed).endswith("<|im_start|>user\n")


@pytest.mark.parametrize("messages", [(SYSTEM, HELLO), (HELLO, CALLED, RESULT)], ids=["caller", "tool"])
def test_where_it_is_the_models_turn_all_of_the_prompt_is_warmed(
    prompts: Prompts, messages: tuple[Message, ...]
) -> None:
    assert prompts.prefix_ids(asking(*messages)) == prompts.prompt(asking(*messages)).ids


def test_the_system_part_is_shared_by_all_calls_of_an_agent(prompts: Prompts) -> None:
    shared = prompts.system_ids(asking(SYSTEM, HELLO, REPLY, HELLO, tools=(LOOK_UP,)))
    assert shared == prompts.system_ids(asking(SYSTEM, Message(Role.USER, "x"), tools=(LOOK_UP,)))
    assert prompts.prompt(asking(SYSTEM, HELLO, tools=(LOOK_UP,))).ids[: len(shared)] == shared
    assert shared != prompts.system_ids(asking(SYSTEM, HELLO))
    assert prompts.system_ids(asking(HELLO)) == []


def test_a_message_ends_with_the_tokens_that_the_model_names(tmp_path: Path) -> None:
    folder = make_chat_model(tmp_path / "m")
    (folder / "generation_config.json").write_text('{"eos_token_id": [7, 257]}')
    prompts = Prompts(folder)
    assert prompts.end_ids == [7, prompts.tokenizer.token_to_id("<|im_end|>")]


def test_a_template_that_always_thinks_is_noticed(tmp_path: Path) -> None:
    template = "{{ messages[0].content }}{% if add_generation_prompt %}<think>\n{% endif %}"
    assert Prompts(make_chat_model(tmp_path / "m", template)).prompt(asking(HELLO)).opens_thinking


@pytest.mark.parametrize("beside", [True, False])
def test_the_template_may_lie_beside_the_configuration(tmp_path: Path, beside: bool) -> None:
    template = "{%- generation %}{{ messages[0].content }}{% endgeneration %}{{ eos_token }}"
    folder = make_chat_model(tmp_path / "m", template, beside=beside)
    assert ChatTemplate(folder).render(chat_of(asking(HELLO)), asks_for_reply=True) == "héllo<|im_end|>"


def test_of_several_templates_the_default_is_taken(tmp_path: Path) -> None:
    folder = make_chat_model(tmp_path / "m")
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert ChatTemplate(folder).render(chat_of(asking(HELLO)), asks_for_reply=True) == "yes"


def test_a_refusal_does_not_quote_the_caller(prompts: Prompts) -> None:
    with pytest.raises(InvalidInput, match="refuses the conversation") as refusal:
        prompts.prompt(asking(Message(Role.USER, "refuse")))
    assert "they said" not in str(refusal.value)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ messages.append(1) }}", "refuses"),
        ("{{ ''.__class__.__mro__ }}", "refuses"),
        ("{% if %}", "cannot be compiled"),
    ],
)
def test_a_template_cannot_reach_out_of_its_sandbox(tmp_path: Path, template: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Prompts(make_chat_model(tmp_path / "m", template)).prompt(asking(HELLO))


def test_a_base_model_is_refused(tmp_path: Path) -> None:
    folder = make_chat_model(tmp_path / "m")
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(InvalidInput, match="instruct model"):
        Prompts(folder)


def test_broken_files_are_told_by_name(tmp_path: Path) -> None:
    folder = make_chat_model(tmp_path / "m")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"tokenizer\.json"):
        Prompts(folder)
    (folder / "tokenizer_config.json").write_text("[")
    with pytest.raises(InvalidInput, match=r"tokenizer_config\.json"):
        Prompts(folder)


def test_history_with_arguments_that_are_no_json_is_refused(prompts: Prompts) -> None:
    broken = Message(Role.ASSISTANT, "", (ToolCall("c1", "look_up", '{"day": '),))
    with pytest.raises(InvalidInput, match="no JSON"):
        prompts.prompt(asking(HELLO, broken, RESULT))
