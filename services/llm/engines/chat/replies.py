"""Reading a model's reply while it is written: text leaves at once, a tool call once it is whole, thinking never."""

from __future__ import annotations

import contextlib
import json
import uuid
from typing import TypeAlias

from services.common.errors import EngineFault
from services.llm.engine import TextDelta, ToolCall

Piece: TypeAlias = TextDelta | ToolCall
CALL_OPENS, CALL_CLOSES = "<tool_call>", "</tool_call>"
THINK_OPENS, THINK_CLOSES = "<think>", "</think>"
_OPENING = (CALL_OPENS, THINK_OPENS, THINK_CLOSES)
MAX_CALL_CHARS = 131_072
"""A call that grows past this has gone astray: twice what the gate for tool calls lets out."""


class ReplyReader:
    """Reads replies in the form of Hermes and Qwen: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`.

    Feed it text in pieces of any size. Only what may be the beginning of a tag is held back; a call that is no JSON is
    never spoken instead. Thinking between `<think>` and `</think>` is dropped, closed or not; `is_thinking` says that
    the prompt has opened it already. White space at the start of the reply and after a call is dropped, too: nobody
    hears it.
    """

    def __init__(self, is_thinking: bool = False) -> None:
        self._held = ""
        self._inside = THINK_OPENS if is_thinking else ""
        self._at_start = True
        self._fed_chars = 0

    @property
    def done_chars(self) -> int:
        """Characters of the reply that are dealt with: all but what is held back and a call that is not whole yet."""
        in_call = len(CALL_OPENS) if self._inside == CALL_OPENS else 0
        return self._fed_chars - len(self._held) - in_call

    def feed(self, text: str) -> list[Piece]:
        """Return what `text` completes. Raises EngineFault for a call without end."""
        self._held += text
        self._fed_chars += len(text)
        pieces: list[Piece] = []
        while self._step(pieces):
            pass
        return pieces

    def finish(self) -> list[Piece]:
        """Return what was still held back. Raises EngineFault for a call that is none, or not whole."""
        if self._inside == CALL_OPENS:
            # The end of the reply stands for the closing tag where nothing but that is missing.
            return [_whole(self._held)]
        rest, self._held = self._held, ""
        return [] if self._inside == THINK_OPENS else self._text(rest)

    def _step(self, pieces: list[Piece]) -> bool:
        """Take one stretch out of what is held; return whether there may be another."""
        if self._inside == CALL_OPENS:
            return self._read_call(pieces)
        if self._inside == THINK_OPENS:
            return self._skip_thinking()
        place, tag = min((_find(self._held, tag), tag) for tag in _OPENING)
        pieces += self._text(self._held[:place])
        self._held = self._held[place:]
        if not self._held.startswith(tag):
            return False
        self._held = self._held[len(tag) :]
        self._inside = "" if tag == THINK_CLOSES else tag
        self._at_start = True
        return True

    def _read_call(self, pieces: list[Piece]) -> bool:
        end = self._held.find(CALL_CLOSES)
        while end >= 0:
            # A tag may stand in a string of the arguments: the call ends at the first one before which it is whole.
            if call := _parsed(self._held[:end]):
                pieces.append(call)
                self._held = self._held[end + len(CALL_CLOSES) :]
                self._inside = ""
                return True
            end = self._held.find(CALL_CLOSES, end + 1)
        if len(self._held) > MAX_CALL_CHARS:
            raise EngineFault(f"the model wrote a tool call of more than {MAX_CALL_CHARS} characters")
        return False

    def _skip_thinking(self) -> bool:
        place = _find(self._held, THINK_CLOSES)
        self._held = self._held[place:]
        if not self._held.startswith(THINK_CLOSES):
            return False
        self._held = self._held[len(THINK_CLOSES) :]
        self._inside = ""
        return True

    def _text(self, text: str) -> list[Piece]:
        if self._at_start:
            text = text.lstrip()
        if not text:
            return []
        self._at_start = False
        return [TextDelta(text)]


def _find(text: str, tag: str) -> int:
    """Return where `tag` stands in `text`, or where it may begin at the end of it; the length of `text` if nowhere."""
    place = text.find(tag)
    if place >= 0:
        return place
    for size in range(min(len(tag) - 1, len(text)), 0, -1):
        if text.endswith(tag[:size]):
            return len(text) - size
    return len(text)


def _whole(text: str) -> ToolCall:
    call = _parsed(text)
    if call is None:
        raise EngineFault("the model wrote a tool call that is no whole JSON object with a name and arguments")
    return call


def _parsed(text: str) -> ToolCall | None:
    try:
        # Not strictly: xgrammar lets control characters into strings as they are, and so do models.
        found = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        return None
    arguments = found.get("arguments", {})
    if isinstance(arguments, str):
        return ToolCall(new_call_id(), found["name"], escaped(arguments))
    return ToolCall(new_call_id(), found["name"], json.dumps(arguments, ensure_ascii=False))


def escaped(arguments: str) -> str:
    """Return JSON with the control characters escaped that stand in its strings; anything else as it is."""
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        with contextlib.suppress(ValueError, RecursionError):
            return json.dumps(json.loads(arguments, strict=False), ensure_ascii=False)
    return arguments


def new_call_id() -> str:
    """Return an id for a call of a model that gives none: unique within any conversation."""
    return f"call_{uuid.uuid4().hex[:12]}"
