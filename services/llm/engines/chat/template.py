"""A model's own chat template (Jinja, as Hugging Face models carry it), rendered without their library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.common.errors import InvalidInput
from services.llm.engine import GenerationRequest, Message, Role, Tool
from services.llm.engines.chat import language_instruction

Chat = list[dict[str, Any]]
_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")


class ChatTemplate:
    """Renders a conversation as the text that the model of a folder was trained to continue.

    The template is `chat_template.jinja`, or "chat_template" in `tokenizer_config.json` (the one named "default" where
    there are several). It runs sandboxed: it comes with a download. The environment (trimmed blocks, `tojson` without
    escapes, `raise_exception`, `strftime_now`) is that of transformers 5, `utils/chat_template_utils.py`.
    """

    def __init__(self, folder: Path) -> None:
        self._config = _read_json(folder / "tokenizer_config.json")
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_GenerationBlocks, loopcontrols],
            autoescape=False,  # it writes a prompt, not a page
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
        try:
            self._template = environment.from_string(_source(folder, self._config))
        except jinja2.TemplateError as error:
            raise InvalidInput(f"the chat template in {folder} cannot be compiled: {error}") from None
        self._special = {name: text for name in _SPECIAL if (text := token_text(self._config.get(name))) is not None}

    @property
    def eos_token(self) -> str | None:
        """The token that ends a message, as the tokenizer's configuration names it."""
        return self._special.get("eos_token")

    def render(self, chat: Chat, tools: Sequence[Tool] = (), *, asks_for_reply: bool) -> str:
        """Return the prompt; `asks_for_reply` opens the assistant's message at its end.

        Thinking is switched off (`enable_thinking`, which Qwen3 reads and others ignore): a caller would wait for it in
        silence. Raises InvalidInput where the template refuses the conversation.
        """
        try:
            return self._template.render(
                messages=chat,
                tools=[_tool(tool) for tool in tools] or None,
                documents=None,
                add_generation_prompt=asks_for_reply,
                enable_thinking=False,
                **self._special,
            )
        except jinja2.TemplateError as error:
            # Its own text may quote the conversation.
            raise InvalidInput(
                f"the model's chat template refuses the conversation ({type(error).__name__}): "
                "check the order of the roles, and whether the model takes tools"
            ) from None


def chat_of(request: GenerationRequest) -> Chat:
    """Return the conversation as chat templates read it. Raises InvalidInput for a call whose arguments are no JSON."""
    names = {call.id: call.name for message in request.messages for call in message.tool_calls}
    chat = [_message(message, names) for message in request.messages]
    if request.language:
        # One system message: the chat templates of some models refuse a second one.
        if chat[0]["role"] == Role.SYSTEM.value:
            chat[0]["content"] += f"\n{language_instruction(request.language)}"
        else:
            chat.insert(0, {"role": Role.SYSTEM.value, "content": language_instruction(request.language)})
    return chat


def token_text(value: Any) -> str | None:
    """Return the text of a special token: configurations hold a string, or an object that describes it."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def _message(message: Message, names: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.tool_calls:
        found["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments_json)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        found |= {"tool_call_id": message.tool_call_id, "name": names.get(message.tool_call_id, "")}
    return found


def _arguments(arguments_json: str) -> Any:
    try:
        return json.loads(arguments_json or "{}")
    except (ValueError, RecursionError):
        raise InvalidInput("a tool call in the conversation has arguments that are no JSON") from None


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": json.loads(tool.parameters_json_schema),
    }
    return {"type": "function", "function": function}


def _source(folder: Path, config: dict[str, Any]) -> str:
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    template = config.get("chat_template")
    if isinstance(template, list):
        by_name = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = by_name.get("default")
    if not isinstance(template, str):
        raise InvalidInput(
            f"{folder} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json): "
            "choose an instruct model, a base model cannot hold a conversation"
        )
    return template


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{path} holds no JSON object")
    return found


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **others: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **others)


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


class _GenerationBlocks(Extension):
    """Reads `{% generation %}` blocks, which mark what a trainer learns from, as their content."""

    tags = {"generation"}  # noqa: RUF012 - declared so by jinja2

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return the block's own nodes."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
