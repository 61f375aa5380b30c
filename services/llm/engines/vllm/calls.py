"""Tool calls in the model's own form: a structural tag holds them to their schema, and a reader takes them apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from services.common.errors import EngineFault, InvalidInput
from services.llm.engine import Tool, ToolCall
from services.llm.engines.chat.replies import Piece, ReplyReader, escaped, new_call_id
from services.llm.engines.vllm.library import ChatCompletionRequest, ToolParserManager

OWN_FORM = "hermes"
"""The form that our own reader takes apart, as the CTranslate2 engine's does; others are left to vLLM's parsers."""
MAX_WHITESPACE = 1
"""Characters of it in a row, between the parts of a call. JSON has no limit, and a model that has gone astray writes
blanks until its tokens are spent; a call that is laid out in lines takes twice the tokens, too."""


class Reader(Protocol):
    """Takes one reply apart."""

    def feed(self, text: str, ids: Sequence[int]) -> list[Piece]:
        """Return what these tokens complete."""

    def finish(self) -> list[Piece]:
        """Return what was held back. Raises EngineFault for a call that is none, or not whole."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What offering tools means for a request."""

    structural_tag: str | None
    """JSON that xgrammar compiles: text is free until a call begins, which then can only become a valid one."""
    skip_special_tokens: bool
    """False where the tags of calls may be special tokens, which the text would lack."""
    request: Any
    """The request as vLLM's parsers want to see it."""


class CallForm:
    """How a model writes calls, by the name of vLLM's parser for it. Raises InvalidInput for one that does not fit."""

    def __init__(self, name: str, tokenizer: Any) -> None:
        self._name = name
        self._tokenizer = tokenizer
        try:
            self._parser_class = ToolParserManager.get_tool_parser(name)
        except KeyError:
            known = ", ".join(ToolParserManager.list_registered())
            raise InvalidInput(f"PARLEY_LLM_VLLM_TOOL_PARSER={name!r}: vLLM has {known}") from None
        try:
            self._parser_class(tokenizer)
        except Exception as error:
            raise InvalidInput(f"PARLEY_LLM_VLLM_TOOL_PARSER={name!r} does not fit the model: {error}") from error
        # Agents come again with the same tools, and a tag takes milliseconds to build.
        self.offer = lru_cache(maxsize=256)(self._offer)

    @property
    def is_constrained(self) -> bool:
        """Whether vLLM can hold this form to a schema while it is written."""
        return self._parser_class.structural_tag_model is not None

    def reader(self, tools: tuple[Tool, ...], *, is_thinking: bool) -> Reader:
        """Return a reader for one reply."""
        if self._name == OWN_FORM or not tools:
            return _OwnReader(is_thinking)
        offer = self.offer(tools)
        return _ParserReader(self._parser_class(self._tokenizer, offer.request.tools), offer.request, is_thinking)

    def _offer(self, tools: tuple[Tool, ...]) -> Offer:
        request = ChatCompletionRequest(messages=[], tools=[_strict(tool) for tool in tools], tool_choice="auto")
        parser = self._parser_class(self._tokenizer, request.tools)
        tag = parser.get_structural_tag(request)
        request = parser.adjust_request(request)
        text = None if tag is None else json.dumps(_tight(tag.model_dump()))
        return Offer(text, request.skip_special_tokens, request)


def _tight(tag: Any) -> Any:
    """Return a structural tag whose JSON may hold little white space, where the installed xgrammar knows how."""
    if isinstance(tag, list):
        return [_tight(part) for part in tag]
    if not isinstance(tag, dict):
        return tag
    # What a schema says of itself is none of ours.
    inner = {name: part if name == "json_schema" else _tight(part) for name, part in tag.items()}
    return inner | {"max_whitespace_cnt": MAX_WHITESPACE} if "max_whitespace_cnt" in inner else inner


def _strict(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": json.loads(tool.parameters_json_schema),
        "strict": True,  # vLLM builds a structural tag for an optional call only where a tool asks for it
    }
    return {"type": "function", "function": function}


class _OwnReader:
    def __init__(self, is_thinking: bool) -> None:
        self._reader = ReplyReader(is_thinking)

    def feed(self, text: str, ids: Sequence[int]) -> list[Piece]:
        return self._reader.feed(text)

    def finish(self) -> list[Piece]:
        return self._reader.finish()


@dataclass(slots=True)
class _Partial:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class _ParserReader:
    """Puts together what a parser of vLLM takes apart: it streams a call bit by bit, and a caller wants it whole."""

    def __init__(self, parser: Any, request: Any, is_thinking: bool) -> None:
        self._parser = parser
        self._request = request
        self._spoken = ReplyReader(is_thinking)
        self._text = ""
        self._ids: list[int] = []
        self._calls: dict[int, _Partial] = {}

    def feed(self, text: str, ids: Sequence[int]) -> list[Piece]:
        # Parsers built on vLLM's own parser engine keep what came before themselves.
        keeps = self._parser.engine_based_streaming
        before_text, before_ids = ("", []) if keeps else (self._text, self._ids)
        self._text, self._ids = before_text + text, [*before_ids, *ids]
        try:
            delta = self._parser.extract_tool_calls_streaming(
                before_text, self._text, text, before_ids, self._ids, list(ids), self._request
            )
        except Exception as error:
            raise EngineFault(f"vLLM's parser cannot read the reply ({type(error).__name__})") from None
        if delta is None:
            return []
        for part in delta.tool_calls:
            call = self._calls.setdefault(part.index, _Partial())
            call.id = call.id or part.id or ""
            if part.function is not None:
                call.name = call.name or part.function.name or ""
                call.arguments.append(part.function.arguments or "")
        return self._spoken.feed(delta.content or "")

    def finish(self) -> list[Piece]:
        pieces = self._spoken.finish()
        for index, call in sorted(self._calls.items()):
            is_last = index == max(self._calls)
            arguments = "".join(call.arguments) + (self._parser.get_remaining_unstreamed_args() if is_last else "")
            pieces.append(ToolCall(call.id or new_call_id(), call.name, escaped(arguments or "{}")))
        return pieces
