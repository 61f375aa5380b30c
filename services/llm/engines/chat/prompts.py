"""Conversations as tokens: the prompt of a request, and the part of it that the next requests will begin with."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from services.common.errors import InvalidInput
from services.llm.engine import GenerationRequest, Message, Role
from services.llm.engines.chat.replies import CALL_OPENS, THINK_OPENS
from services.llm.engines.chat.template import ChatTemplate, chat_of

NEEDS = ("tokenizer.json", "tokenizer_config.json")
"""The files that a model's folder must hold for this; a template may lie in a file of its own beside them."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked to continue."""

    ids: list[int]
    opens_thinking: bool
    """Whether it ends in an open `<think>`: templates of models that always think do."""


class Prompts:
    """Turns requests into the token ids of one model. Safe to use from many threads; a prompt takes milliseconds."""

    def __init__(self, folder: Path) -> None:
        self._template = ChatTemplate(folder)
        try:
            self.tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises bare Exceptions
            raise InvalidInput(f"{folder / 'tokenizer.json'} cannot be loaded: {error}") from None
        self.end_ids = _end_ids(folder, self._template, self.tokenizer)
        self.hides_special = not _is_special(self.tokenizer, CALL_OPENS)
        """Whether special tokens may be left out of the text; not so where the tags of calls are among them."""
        # All calls of an agent ask for the same.
        self._system_ids = lru_cache(maxsize=64)(lambda agent: self._until_the_caller(agent, agent.messages))

    def prompt(self, request: GenerationRequest) -> Prompt:
        """Return the prompt that asks for the next message. Raises InvalidInput where the template refuses."""
        text = self._template.render(chat_of(request), request.tools, asks_for_reply=True)
        return Prompt(self._ids(text), text.rstrip().endswith(THINK_OPENS))

    def prefix_ids(self, request: GenerationRequest) -> list[int]:
        """Return what the next prompt of this conversation begins with: all of it where it is the model's turn.

        Where the caller speaks next, nothing is cut from one rendering, for templates write the last message otherwise
        than the same message further back (Qwen3 leaves the thinking of earlier replies out): where two continuations
        agree, so will the next.
        """
        if request.messages[-1].role in (Role.USER, Role.TOOL):
            return self.prompt(request).ids
        return self._until_the_caller(request, request.messages)

    def system_ids(self, request: GenerationRequest) -> list[int]:
        """Return what every prompt of this agent begins with: its system message and tools; empty without either."""
        first = request.messages[0]
        system = (first,) if first.role is Role.SYSTEM else ()
        if not system and not request.tools and not request.language:
            return []
        return self._system_ids(GenerationRequest(system, tools=request.tools, language=request.language))

    def _until_the_caller(self, request: GenerationRequest, messages: tuple[Message, ...]) -> list[int]:
        one, other = (self._continued(request, (*messages, Message(Role.USER, said))) for said in "AZ")
        return _common(one, other)

    def _continued(self, request: GenerationRequest, messages: tuple[Message, ...]) -> list[int]:
        chat = chat_of(dataclasses.replace(request, messages=messages))
        return self._ids(self._template.render(chat, request.tools, asks_for_reply=False))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _common(one: list[int], other: list[int]) -> list[int]:
    length = next((index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    return one[: min(len(one), len(other)) if length is None else length]


def _end_ids(folder: Path, template: ChatTemplate, tokenizer: Tokenizer) -> list[int]:
    """Return the ids that end a message: those of generation_config.json and the tokenizer's own."""
    found: list[int] = []
    config = folder / "generation_config.json"
    if config.is_file():
        eos = json.loads(config.read_text(encoding="utf-8")).get("eos_token_id")
        found += eos if isinstance(eos, list) else [eos] if isinstance(eos, int) else []
    own = tokenizer.token_to_id(template.eos_token) if template.eos_token else None
    return list(dict.fromkeys(found if own is None else [*found, own]))


def _is_special(tokenizer: Tokenizer, text: str) -> bool:
    token = tokenizer.token_to_id(text)
    added = None if token is None else tokenizer.get_added_tokens_decoder().get(token)
    return added is not None and bool(added.special)
