"""The chat completions API as JSON: what goes out, and what the pieces that come back mean. No I/O."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from services.common.errors import EngineFault
from services.llm.engine import FinishReason, GenerationRequest, Message, Role, ToolCall, Usage
from services.llm.engines.chat import language_instruction

_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.STOP,
}
MAX_CALLS = 32


def chat_body(request: GenerationRequest, model: str, stream: bool) -> dict[str, Any]:
    """Return the body of a chat completion request."""
    body: dict[str, Any] = {"model": model, "messages": _messages(request), "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": json.loads(tool.parameters_json_schema),
                },
            }
            for tool in request.tools
        ]
    sampling = request.sampling
    settings = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
    }
    return body | {name: value for name, value in settings.items() if value is not None}


def _messages(request: GenerationRequest) -> list[dict[str, Any]]:
    messages = [_message(message) for message in request.messages]
    if request.language:
        # One system message: the chat templates of some models refuse a second one.
        instruction = language_instruction(request.language)
        if request.messages[0].role is Role.SYSTEM:
            messages[0]["content"] += f"\n{instruction}"
        else:
            messages.insert(0, {"role": Role.SYSTEM.value, "content": instruction})
    return messages


def _message(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.tool_calls:
        found["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        found["tool_call_id"] = message.tool_call_id
    return found


def _choice(chunk: dict[str, Any]) -> dict[str, Any]:
    """Return the chunk's choice; empty in the chunk that carries usage."""
    choices = chunk.get("choices")
    if not choices:
        return {}
    if not isinstance(choices, list) or not isinstance(choices[0], dict):
        raise EngineFault("the model server sent a chunk whose choices are no list of objects")
    return choices[0]


def _delta(chunk: dict[str, Any]) -> dict[str, Any]:
    delta = _choice(chunk).get("delta") or {}
    if not isinstance(delta, dict):
        raise EngineFault("the model server sent a delta that is no object")
    return delta


def delta_text(chunk: dict[str, Any]) -> str:
    """Return the text of a chunk, if any. Raises EngineFault where it is no text."""
    text = _delta(chunk).get("content") or ""
    if not isinstance(text, str):
        raise EngineFault("the model server sent content that is no text")
    return text


def finish_reason(chunk: dict[str, Any]) -> FinishReason | None:
    """Return why the completion ended, in the chunk that says so; a reason that is not known counts as STOP."""
    reason = _choice(chunk).get("finish_reason")
    return _REASONS.get(str(reason), FinishReason.STOP) if reason else None


def usage_of(chunk: dict[str, Any]) -> Usage:
    """Return the tokens that a chunk or a whole response accounts for."""
    usage = chunk.get("usage")
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _count(cached))


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 32 else 0


@dataclass(slots=True)
class _Partial:
    id: str = ""
    name: str = ""
    arguments: str = ""


class ToolCallAssembler:
    """Puts tool calls together from their pieces: id and name come first, the arguments bit by bit."""

    def __init__(self) -> None:
        self._partial: dict[int, _Partial] = {}

    def add(self, chunk: dict[str, Any]) -> None:
        """Take the pieces of a chunk. Raises EngineFault for pieces of another shape."""
        pieces = _delta(chunk).get("tool_calls") or []
        for piece in pieces if isinstance(pieces, list) else [pieces]:
            function = (piece.get("function") or {}) if isinstance(piece, dict) else None
            if not isinstance(function, dict):
                raise EngineFault("the model server sent a tool call in a shape that is not known")
            index = piece.get("index", len(self._partial))
            if not isinstance(index, int) or not 0 <= index < MAX_CALLS:
                raise EngineFault(f"the model server sent tool call {str(index)[:20]}: at most {MAX_CALLS} are taken")
            call = self._partial.setdefault(index, _Partial())
            call.id = call.id or str(piece.get("id") or "")
            call.name = call.name or str(function.get("name") or "")
            call.arguments += str(function.get("arguments") or "")

    def complete(self) -> list[ToolCall]:
        """Return the calls in order. A call without an id gets one; one without arguments has none to give: {}."""
        return [
            ToolCall(call.id or f"call_{uuid.uuid4().hex[:12]}", call.name, call.arguments or "{}")
            for _, call in sorted(self._partial.items())
        ]
