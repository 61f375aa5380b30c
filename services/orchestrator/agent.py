"""What an agent is: its file's fields, validated. `agents.py` reads the files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import jsonschema
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, field_validator, model_validator

from services.orchestrator.events import END_CALL, Phrase

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Sentence = Annotated[str, Field(min_length=1)]


DEFAULT_MAX_ENDPOINTING_DELAY_MS = 3_000
"""voice.turn.v1.DetectConfig's default."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pronunciation(_Part):
    """How to pronounce a word: by respelling or by IPA."""

    word: str = Field(min_length=1)
    respelling: str = ""
    ipa: str = ""

    @model_validator(mode="after")
    def _says_how(self) -> Pronunciation:
        if not self.respelling and not self.ipa:
            raise ValueError("say how: respelling or ipa")
        return self


class Voice(_Part):
    """The agent's voice, as the synthesis engine names it."""

    name: str = ""
    speed: float = Field(1.0, ge=0.5, le=2.0)
    style: str = ""
    pronunciations: tuple[Pronunciation, ...] = ()


class KeyTerm(_Part):
    """A word or phrase the recogniser should favour."""

    text: str = Field(min_length=1)
    boost: float = Field(0.5, gt=0, le=1)


class Hearing(_Part):
    """What callers are expected to say."""

    grammar_file: str = ""
    key_terms: tuple[KeyTerm, ...] = ()
    partial_interval_ms: int = Field(0, ge=0, le=5000)


class Model(_Part):
    """Which model or script answers, and how it samples."""

    model: str = ""
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, gt=0)


class Turns(_Part):
    """Turn-taking of this agent; 0 takes the turn detector's default."""

    min_endpointing_delay_ms: int = Field(0, ge=0, le=10_000)
    max_endpointing_delay_ms: int = Field(0, ge=0, le=30_000)
    speech_threshold: float = Field(0, ge=0, lt=1)
    interruption_speech_ms: int = Field(0, ge=0, le=10_000)
    backchannel_silence_ms: int = Field(0, ge=0, le=10_000)
    adapts: bool = True
    """Whether the delay learns from the caller's own pauses."""

    @model_validator(mode="after")
    def _delays_are_in_order(self) -> Turns:
        longest_ms = self.max_endpointing_delay_ms or DEFAULT_MAX_ENDPOINTING_DELAY_MS
        if longest_ms < self.min_endpointing_delay_ms:
            raise ValueError(f"max_endpointing_delay_ms ({longest_ms}) must be at least min_endpointing_delay_ms")
        return self


class Webhook(_Part):
    """An HTTP endpoint that runs a tool: POST of a JSON object, answered by any JSON value."""

    url: HttpUrl
    timeout_ms: int = Field(5_000, gt=0, le=30_000)
    headers: Mapping[str, str] = {}


class Tool(_Part):
    """A tool of the agent."""

    name: ToolName
    description: str = Field(min_length=1)
    parameters: dict[str, Any]
    webhook: Webhook

    @field_validator("parameters")
    @classmethod
    def _is_object_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        check_object_schema(schema)
        return schema


class Phrases(_Part):
    """Fixed sentences of the agent; none may be empty, since each stands where there would be silence."""

    apology: Sentence = "I'm sorry, something went wrong on my side. Could you say that again?"
    not_heard: Sentence = "Sorry, I didn't catch that. Could you say it again?"
    idle_prompt: Sentence = "Are you still there?"
    goodbye: Sentence = "Goodbye."


class Agent(_Part):
    """One agent file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    description: str = ""
    language: str = Field("en-US", pattern=r"^(auto|[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)$")
    tenant: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,64}$")
    greeting: str = ""
    prompt: str = Field(min_length=1)
    voice: Voice = Voice()
    asr: Hearing = Hearing()
    llm: Model = Model()
    turn: Turns = Turns()
    tools: tuple[Tool, ...] = ()
    phrases: Phrases = Phrases()
    grammar: str = Field("", exclude=True, description="Text of asr.grammar_file, read by the loader.")

    @field_validator("tools")
    @classmethod
    def _names_are_unique(cls, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
        names = [tool.name for tool in tools]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"tool names must be unique: {', '.join(twice)}")
        if END_CALL in names:
            raise ValueError(f"a tool named {END_CALL} is built in: choose another name")
        return tools

    @property
    def language_tag(self) -> str:
        """The language that stages are told; empty where each may find out by itself."""
        return "" if self.language == "auto" else self.language

    def phrase(self, phrase: Phrase) -> str:
        """Return the wording of a fixed sentence."""
        if phrase is Phrase.GREETING:
            return self.greeting
        text: str = getattr(self.phrases, phrase.value)
        return text


def check_object_schema(schema: Mapping[str, Any]) -> None:
    """Raise ValueError unless `schema` is a valid JSON schema of an object."""
    if schema.get("type") != "object":
        raise ValueError("parameters must be a JSON schema of type object")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"parameters are no valid JSON schema: {error.message}") from error
    try:
        json.dumps(schema)
    except TypeError as error:  # YAML reads 2026-01-01 as a date, which JSON has not
        raise ValueError(f"parameters are no valid JSON: {error}; put it in quotes") from error
