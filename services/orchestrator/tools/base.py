"""What a tool is to a turn: a definition for the model, and a way to run it within a deadline."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from voice.llm.v1 import llm_pb2

from services.common.errors import ParleyError
from services.orchestrator.events import END_CALL

MAX_RESULT_BYTES = 32_768
"""A longer result would drown the prompt: it is refused, and the model is told."""


class ToolError(ParleyError):
    """A tool failed or took too long; the model is told, and says what a person would."""


class Unreached(ToolError):
    """One attempt failed in a way that another may not: no connection, no answer in its time, a server that is busy."""


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """One call of a tool."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    session_id: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the model may call. `run` returns the result as JSON text, or raises ToolError."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    timeout_ms: int
    run: Callable[[ToolRequest], Awaitable[str]]
    runs_at_client: bool = False
    read_only: bool = False
    """It changes nothing, so it may be run before it is certain to be wanted."""
    reports_later: bool = False
    """Nobody waits for it: its result is told when it comes."""
    kind: str = "webhook"
    """Who runs it, as the metrics' label `kind`."""

    def definition(self) -> llm_pb2.ToolDefinition:
        """Return the tool as the language model service takes it."""
        return llm_pb2.ToolDefinition(
            name=self.name, description=self.description, parameters_json_schema=json.dumps(self.parameters)
        )


def check_result(text: str | bytes, source: str) -> str:
    """Return a tool's result as JSON text. Raises ToolError for what is too long or no JSON."""
    if len(text) > MAX_RESULT_BYTES:
        raise ToolError(f"{source} returned more than {MAX_RESULT_BYTES} bytes")
    try:
        return json.dumps(json.loads(text, parse_constant=_no_json))
    except (ValueError, RecursionError) as error:  # the second: 30,000 brackets, one in another
        raise ToolError(f"{source} returned no JSON") from error


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON, though Python reads it")


async def _nothing(request: ToolRequest) -> str:
    return "{}"


END_CALL_TOOL = Tool(
    name=END_CALL,
    description="Ends the call after what you have just said. Call it once the caller has said goodbye.",
    parameters={"type": "object", "properties": {}, "additionalProperties": False},
    timeout_ms=1_000,
    run=_nothing,
)
"""Built in: the call is closed once the caller has heard the reply."""
