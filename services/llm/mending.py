"""A message whose tool calls no tool can take, as its model is shown it to put it right in the same answer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from services.llm.engine import Finished, GenerationRequest, Message, Role, ToolCall, Usage
from services.llm.toolgate import BadCall

NOT_RUN = "it was not run, for another call beside it was no good: call it again"
NO_NAME = "unknown"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


def told_of_faults(
    request: GenerationRequest, said: str, calls: Sequence[ToolCall], faults: Sequence[BadCall | None]
) -> GenerationRequest:
    """Return `request` with the message that was made of it, and what is wrong with each of its calls as their results.

    `said`: the message's text. `faults`: one for each of `calls`; None: nothing but the company it is in.
    """
    message = Message(Role.ASSISTANT, said, tuple(map(_presentable, calls)))
    results = (
        Message(Role.TOOL, json.dumps({"error": fault.told if fault else NOT_RUN}), tool_call_id=call.id)
        for call, fault in zip(calls, faults, strict=True)
    )
    return replace(request, messages=(*request.messages, message, *results))


def both(first: Finished, second: Finished) -> Finished:
    """Return the end of a message that took two generations: the tokens of both were spent."""
    one, other = first.usage, second.usage
    usage = Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.cached_tokens + other.cached_tokens,
    )
    return Finished(second.reason, usage)


def _presentable(call: ToolCall) -> ToolCall:
    """Return a call that a server and a chat template take: they refuse names that none may have, and broken JSON."""
    name = _NOT_IN_NAMES.sub("_", call.name)[:64] or NO_NAME
    try:
        is_object = isinstance(json.loads(call.arguments_json), dict)
    except (ValueError, RecursionError):
        is_object = False
    return ToolCall(call.id, name, call.arguments_json if is_object else "{}")
