"""What an agent can do, as its file says: tools behind webhooks, tool servers, and what is looked up ahead."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema
from pydantic import Field, HttpUrl, field_validator, model_validator

from services.orchestrator.agent_part import Part, Sentence, ToolName

MAX_AWAITED_MS = 30_000
"""The longest that a caller is kept waiting for a tool; one that reports later may take longer."""
AFTER_START = "start"
AFTER_TURN = "turn"
ARGUMENTS, RESULT = "$arguments", "$result"
"""Where a prefetched argument may come from: the call that it follows, and what that returned."""


class Webhook(Part):
    """An HTTP endpoint that runs a tool: POST of a JSON object, answered by any JSON value."""

    url: HttpUrl
    timeout_ms: int = Field(5_000, gt=0, le=600_000)
    attempt_timeout_ms: int = Field(0, ge=0, le=30_000)
    headers: Mapping[str, str] = {}


class Tool(Part):
    """A tool of the agent."""

    name: ToolName
    description: str = Field(min_length=1)
    parameters: dict[str, Any]
    webhook: Webhook
    fillers: tuple[Sentence, ...] | None = None
    read_only: bool = False
    idempotent: bool = False
    retries: int = Field(2, ge=0, le=5)
    reports_later: bool = False

    @field_validator("parameters")
    @classmethod
    def _is_object_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        check_object_schema(schema)
        return schema

    @model_validator(mode="after")
    def _keeps_nobody_waiting(self) -> Tool:
        if self.webhook.timeout_ms > MAX_AWAITED_MS and not self.reports_later:
            raise ValueError(f"webhook.timeout_ms over {MAX_AWAITED_MS} is for a tool with reports_later: true")
        return self

    @property
    def attempts(self) -> int:
        """How often the webhook may be called for one call of the tool."""
        return 1 + (self.retries if self.idempotent or self.read_only else 0)


class LanguageTool(Part):
    """A tool of the agent in another of its languages."""

    name: ToolName
    fillers: tuple[Sentence, ...]

    @classmethod
    def over(cls, tools: Iterable[Tool], own: Iterable[LanguageTool]) -> tuple[Tool, ...]:
        """Return the agent's tools with what is said in one language; silence is silence in all."""
        said = {tool.name: tool.fillers for tool in own}
        return tuple(
            tool.model_copy(update={"fillers": said.get(tool.name, None if tool.fillers else tool.fillers)})
            for tool in tools
        )


class McpServer(Part):
    """A server of tools that speaks the Model Context Protocol: a command of ours, or an address."""

    name: ToolName
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    url: HttpUrl | None = None
    headers: Mapping[str, str] = {}
    tools: tuple[str, ...] = ()
    prefix: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,32}$")
    timeout_ms: int = Field(5_000, gt=0, le=30_000)

    @model_validator(mode="after")
    def _is_somewhere(self) -> McpServer:
        if bool(self.command) == (self.url is not None):
            raise ValueError("give command (a program that is started) or url (streamable HTTP), and not both")
        if self.url is not None and (self.args or self.env):
            raise ValueError("args and env are for a command; a url takes headers")
        if self.command and self.headers:
            raise ValueError("headers are for a url; a command takes args and env")
        return self


class Prefetch(Part):
    """A look-up that is likely to be wanted next, made before the model asks for it."""

    after: str = Field(min_length=1)
    tool: ToolName
    arguments: Mapping[str, Any] = {}

    @field_validator("arguments")
    @classmethod
    def _is_json(cls, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        _check_json(arguments, "arguments")
        return arguments

    @model_validator(mode="after")
    def _takes_from_what_it_follows(self) -> Prefetch:
        if self.after in (AFTER_START, AFTER_TURN) and any(is_taken(value) for value in self.arguments.values()):
            raise ValueError(f"{ARGUMENTS} and {RESULT} are those of a tool: name it in after")
        return self


def is_taken(value: Any) -> bool:
    """Return whether an argument is to be taken from an earlier call, such as "$result.customer.id"."""
    return isinstance(value, str) and value.partition(".")[0] in (ARGUMENTS, RESULT)


def check_object_schema(schema: Mapping[str, Any]) -> None:
    """Raise ValueError unless `schema` is a valid JSON schema of an object."""
    if schema.get("type") != "object":
        raise ValueError("parameters must be a JSON schema of type object")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"parameters are no valid JSON schema: {error.message}") from error
    _check_json(schema, "parameters")


def _check_json(value: Any, name: str) -> None:
    try:
        json.dumps(value)
    except TypeError as error:  # YAML reads 2026-01-01 as a date, which JSON has not
        raise ValueError(f"{name} are no valid JSON: {error}; put it in quotes") from error
