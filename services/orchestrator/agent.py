"""What an agent is: its file's fields, validated. `agents.py` reads the files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import jsonschema
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationInfo, field_validator, model_validator

from services.orchestrator.default_sentences import DEFAULT_SENTENCES, default_sentences, primary_subtag
from services.orchestrator.events import END_CALL, Phrase

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Sentence = Annotated[str, Field(min_length=1)]
LanguageTag = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


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


def _check_delays(shortest_ms: int, longest_ms: int) -> None:
    longest_ms = longest_ms or DEFAULT_MAX_ENDPOINTING_DELAY_MS
    if longest_ms < shortest_ms:
        raise ValueError(f"max_endpointing_delay_ms ({longest_ms}) must be at least min_endpointing_delay_ms")


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
        _check_delays(self.min_endpointing_delay_ms, self.max_endpointing_delay_ms)
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

    apology: Sentence = DEFAULT_SENTENCES["en"]["apology"]
    not_heard: Sentence = DEFAULT_SENTENCES["en"]["not_heard"]
    idle_prompt: Sentence = DEFAULT_SENTENCES["en"]["idle_prompt"]
    goodbye: Sentence = DEFAULT_SENTENCES["en"]["goodbye"]


class LanguageHearing(_Part):
    """What callers are expected to say in one language."""

    key_terms: tuple[KeyTerm, ...] = ()


class LanguageModel(_Part):
    """Which model or script answers in one language."""

    model: str = ""


class LanguageTurns(_Part):
    """Turn-taking in one language; 0 takes the agent's."""

    min_endpointing_delay_ms: int = Field(0, ge=0, le=10_000)
    max_endpointing_delay_ms: int = Field(0, ge=0, le=30_000)

    def over(self, turn: Turns) -> Turns:
        """Return the agent's turn-taking with the delays of this language."""
        return turn.model_copy(update={name: value for name, value in self.model_dump().items() if value})


class Language(_Part):
    """Another language of the agent: what is said in it, and by which voice. Empty fields take the agent's own."""

    tag: LanguageTag
    prompt: str = ""
    greeting: str = ""
    """Empty: none, for the agent's own is in its first language."""
    voice: Voice = Voice()
    """Where it names none, one of the language."""
    phrases: Phrases = Phrases()
    asr: LanguageHearing = LanguageHearing()
    llm: LanguageModel = LanguageModel()
    turn: LanguageTurns = LanguageTurns()

    @model_validator(mode="before")
    @classmethod
    def _says_its_sentences(cls, data: Any) -> Any:
        return _with_sentences(data, "tag")

    @model_validator(mode="after")
    def _has_sentences(self) -> Language:
        if default_sentences(self.tag) is None and self.phrases.model_fields_set < set(Phrases.model_fields):
            raise ValueError(f"phrases: write all of {', '.join(Phrases.model_fields)}: none are known in {self.tag}")
        return self


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
    languages: tuple[Language, ...] = ()
    """Others than `language`; `languages.py` says what the agent is in each."""
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

    @model_validator(mode="before")
    @classmethod
    def _says_its_sentences(cls, data: Any) -> Any:
        return _with_sentences(data, "language")

    @field_validator("languages")
    @classmethod
    def _languages_differ(cls, languages: tuple[Language, ...], info: ValidationInfo) -> tuple[Language, ...]:
        first, turn = str(info.data.get("language", "")), info.data.get("turn", Turns())
        if languages and first == "auto":
            raise ValueError("name the first one as language; auto leaves it to each stage to find out")
        seen = {primary_subtag(first): first}
        for language in languages:
            if (other := seen.get(primary_subtag(language.tag))) is not None:
                raise ValueError(f"{other} and {language.tag} are one language when heard: keep one of them")
            seen[primary_subtag(language.tag)] = language.tag
            delays = language.turn.over(turn)
            _check_delays(delays.min_endpointing_delay_ms, delays.max_endpointing_delay_ms)
        return languages

    @property
    def language_tags(self) -> tuple[str, ...]:
        """All languages, the first one first."""
        return (self.language, *(language.tag for language in self.languages))

    @property
    def language_tag(self) -> str:
        """The language that stages are told; empty where each may find out by itself."""
        return "" if self.language == "auto" else self.language

    def in_language(self, tag: str) -> Agent:
        """Return the agent as it is in one of `language_tags`: with one language."""
        other = next((language for language in self.languages if language.tag == tag), None)
        if other is None:
            return self.model_copy(update={"languages": ()})
        return self.model_copy(
            update={
                "language": other.tag,
                "languages": (),
                "prompt": other.prompt or self.prompt,
                "greeting": other.greeting,
                "voice": other.voice,
                "phrases": other.phrases,
                "llm": self.llm.model_copy(update={"model": other.llm.model or self.llm.model}),
                "turn": other.turn.over(self.turn),
            }
        )

    def phrase(self, phrase: Phrase) -> str:
        """Return the wording of a fixed sentence."""
        if phrase is Phrase.GREETING:
            return self.greeting
        text: str = getattr(self.phrases, phrase.value)
        return text


def _with_sentences(data: Any, tag_field: str) -> Any:
    """Return a file's mapping with the sentences that it does not word itself, in its language."""
    if not isinstance(data, dict) or not isinstance(data.get("phrases", {}), dict):
        return data
    sentences = default_sentences(str(data.get(tag_field, "")))
    return data if sentences is None else {**data, "phrases": {**sentences, **data.get("phrases", {})}}


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
