"""What was said and done in a session: the conversation as the language model is shown it, and as it is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from voice.llm.v1 import llm_pb2

ROLES = {
    "system": llm_pb2.CHAT_ROLE_SYSTEM,
    "user": llm_pb2.CHAT_ROLE_USER,
    "assistant": llm_pb2.CHAT_ROLE_ASSISTANT,
    "tool": llm_pb2.CHAT_ROLE_TOOL,
}
STILL_RUNNING = json.dumps({"status": "still running, the result will follow"})


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call the agent made."""

    id: str
    name: str
    arguments_json: str


@dataclass(slots=True)
class Message:
    """One message of the conversation."""

    role: str
    content: str
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_id: str = ""
    is_report: bool = False
    """A tool's result that came after the model had gone on talking."""

    def to_proto(self) -> llm_pb2.ChatMessage:
        """Return the message as the language model service takes it."""
        calls = [
            llm_pb2.ToolCall(id=call.id, name=call.name, arguments_json=call.arguments_json) for call in self.tool_calls
        ]
        return llm_pb2.ChatMessage(
            role=ROLES[self.role], content=self.content, tool_calls=calls, tool_call_id=self.tool_call_id
        )


class History:
    """Messages in order. Tool results go right behind their call, however late they come."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self.messages = list(messages)
        self._base: list[Message] | None = None

    @classmethod
    def from_json(cls, data: list[dict[str, Any]]) -> History:
        """Rebuild a history from `to_json`."""
        return cls(
            Message(
                role=entry["role"],
                content=entry["content"],
                tool_calls=[ToolCall(**call) for call in entry.get("tool_calls", [])],
                tool_call_id=entry.get("tool_call_id", ""),
                is_report=entry.get("is_report", False),
            )
            for entry in data
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Return the history as plain data."""
        return [
            {
                "role": message.role,
                "content": message.content,
                "tool_calls": [
                    {"id": call.id, "name": call.name, "arguments_json": call.arguments_json}
                    for call in message.tool_calls
                ],
                "tool_call_id": message.tool_call_id,
                "is_report": message.is_report,
            }
            for message in self.messages
        ]

    def fork(self) -> History:
        """Return a history of its own, for an answer that may never be: it begins with what this one holds now."""
        fork = History(replace(message, tool_calls=list(message.tool_calls)) for message in self.messages)
        fork._base = list(fork.messages)
        return fork

    def adopt(self, fork: History) -> bool:
        """Go on as `fork` did, whose new messages become this history's; false where anything changed here since."""
        if fork._base is None or self.messages != fork._base:
            return False
        self.messages += fork.messages[len(fork._base) :]
        return True

    def add(self, message: Message) -> Message:
        """Append a message and return it."""
        self.messages.append(message)
        return message

    def remove(self, message: Message) -> None:
        """Take a message back, if it is still there."""
        self.messages = [kept for kept in self.messages if kept is not message]

    def add_result(self, call_id: str, content: str) -> None:
        """Put a tool's result right behind its call."""
        for index, message in enumerate(self.messages):
            if any(call.id == call_id for call in message.tool_calls):
                place = index + 1
                while place < len(self.messages) and self.messages[place].role == "tool":
                    place += 1
                self.messages.insert(place, Message("tool", content, tool_call_id=call_id))
                return

    def add_report(self, call_id: str, content: str) -> None:
        """Put a late result at the end, and its call with it: the model is shown both where the result came.

        Where the call stood is left what the agent said with it. A call is so answered once and in its place, which
        every model's template takes, and the model's next words are about the result.
        """
        for message in self.messages:
            for call in message.tool_calls:
                if call.id == call_id:
                    message.tool_calls.remove(call)
                    if not message.content and not message.tool_calls:
                        self.remove(message)
                    self.messages.append(Message("assistant", "", [call]))
                    self.messages.append(Message("tool", content, tool_call_id=call_id, is_report=True))
                    return

    @property
    def has_untold_report(self) -> bool:
        """Whether the last thing that happened is a tool's report: nobody has spoken since."""
        return bool(self.messages) and self.messages[-1].is_report

    def for_model(self, prompt: str) -> list[llm_pb2.ChatMessage]:
        """Return system prompt and messages; a call whose result is not there yet is answered by `STILL_RUNNING`."""
        answered = {message.tool_call_id for message in self.messages if message.role == "tool"}
        shown = [Message("system", prompt).to_proto()]
        for message in self.messages:
            if message.role == "assistant" and not message.content and not message.tool_calls:
                continue
            shown.append(message.to_proto())
            running = (call.id for call in message.tool_calls if call.id not in answered)
            shown.extend(Message("tool", STILL_RUNNING, tool_call_id=call_id).to_proto() for call_id in running)
        return shown

    @property
    def unanswered_text(self) -> str:
        """The caller's last words, where nothing was said after them."""
        last = self.messages[-1] if self.messages else None
        return last.content if last is not None and last.role == "user" else ""
