"""What an agent is: its file's fields, validated. `agents.py` reads the files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from services.common.language_tags import primary_subtag
from services.orchestrator.agent_part import Part, Sentence
from services.orchestrator.agent_tools import AFTER_START, AFTER_TURN, LanguageTool, McpServer, Prefetch, Tool
from services.orchestrator.default_fillers import default_fillers
from services.orchestrator.default_sentences import DEFAULT_SENTENCES, default_sentences
from services.orchestrator.events import END_CALL, Phrase

LanguageTag = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


DEFAULT_MAX_ENDPOINTING_DELAY_MS = 3_000
"""voice.turn.v1.DetectConfig's default."""


class Pronunciation(Part):
    """How to pronounce a word: by respelling or by IPA."""

    word: str = Field(min_length=1)
    respelling: str = ""
    ipa: str = ""

    @model_validator(mode="after")
    def _says_how(self) -> Pronunciation:
        if not self.respelling and not self.ipa:
            raise ValueError("say how: respelling or ipa")
        return self


class Voice(Part):
    """The agent's voice, as the synthesis engine names it."""

    name: str = ""
    speed: float = Field(1.0, ge=0.5, le=2.0)
    style: str = ""
    pronunciations: tuple[Pronunciation, ...] = ()


class KeyTerm(Part):
    """A word or phrase the recogniser should favour."""

    text: str = Field(min_length=1)
    boost: float = Field(0.5, gt=0, le=1)


class Hearing(Part):
    """What callers are expected to say."""

    grammar_file: str = ""
    key_terms: tuple[KeyTerm, ...] = ()
    partial_interval_ms: int = Field(0, ge=0, le=5000)


class Route(Part):
    """Which requests the small fast model answers: those like the examples, or with a keyword, if they are short."""

    examples: tuple[Sentence, ...] = ()
    counterexamples: tuple[Sentence, ...] = ()
    """What looks like the examples and is not simple."""
    keywords: tuple[Sentence, ...] = ()
    max_words: int = Field(12, ge=1, le=100)
    max_context_chars: int = Field(6_000, ge=0)
    """A conversation longer than this goes to the larger model."""
    threshold: float = Field(0.5, gt=0, le=1)
    """Likeness to an example from which a request counts as simple."""


def _check_route(fast_model: str, route: Route) -> None:
    if fast_model and not (route.examples or route.keywords):
        raise ValueError("route: give examples or keywords of what fast_model answers")


class Model(Part):
    """Which model or script answers, and how it samples."""

    model: str = ""
    fast_model: str = ""
    """Answers what `route` finds simple; empty: `model` answers all."""
    route: Route = Route()
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, gt=0)
    speculates: bool = True
    """Whether answers are begun before the turn is certainly over."""
    max_sentences: int = Field(3, ge=0, le=50)
    """Asked of the model, and twice that is the most it may say at once; 0: as it likes."""

    @model_validator(mode="after")
    def _knows_what_is_simple(self) -> Model:
        _check_route(self.fast_model, self.route)
        return self


def _check_delays(shortest_ms: int, longest_ms: int) -> None:
    longest_ms = longest_ms or DEFAULT_MAX_ENDPOINTING_DELAY_MS
    if longest_ms < shortest_ms:
        raise ValueError(f"max_endpointing_delay_ms ({longest_ms}) must be at least min_endpointing_delay_ms")


class Turns(Part):
    """Turn-taking of this agent; 0 takes the turn detector's default."""

    min_endpointing_delay_ms: int = Field(0, ge=0, le=10_000)
    max_endpointing_delay_ms: int = Field(0, ge=0, le=30_000)
    speech_threshold: float = Field(0, ge=0, lt=1)
    interruption_speech_ms: int = Field(0, ge=0, le=10_000)
    backchannel_silence_ms: int = Field(0, ge=0, le=10_000)
    adapts: bool = True
    """Whether the delay learns from the caller's own pauses."""
    min_gap_ms: int = Field(0, ge=0, le=2_000)
    """Silence between the caller's last sound and the agent's first, at the least."""
    interruption: Literal["speech", "words", "never"] = "speech"
    """What interrupts the agent: words or lasting speech, words alone, or nothing."""
    echo: bool = True
    """Whether the agent's own voice, heard from the caller's loudspeaker, is told from the caller's."""
    must_be_heard: tuple[Phrase, ...] = ()
    """Fixed sentences that nothing interrupts."""
    notices: tuple[Sentence, ...] = ()
    """Texts that nothing interrupts where the model says them word for word."""

    @model_validator(mode="after")
    def _delays_are_in_order(self) -> Turns:
        _check_delays(self.min_endpointing_delay_ms, self.max_endpointing_delay_ms)
        return self


class Phrases(Part):
    """Fixed sentences of the agent; none may be empty, since each stands where there would be silence."""

    apology: Sentence = DEFAULT_SENTENCES["en"]["apology"]
    not_heard: Sentence = DEFAULT_SENTENCES["en"]["not_heard"]
    idle_prompt: Sentence = DEFAULT_SENTENCES["en"]["idle_prompt"]
    goodbye: Sentence = DEFAULT_SENTENCES["en"]["goodbye"]


class LanguageHearing(Part):
    """What callers are expected to say in one language."""

    key_terms: tuple[KeyTerm, ...] = ()


class LanguageModel(Part):
    """Which model or script answers in one language."""

    model: str = ""
    fast_model: str = ""
    """Examples of what is simple are in one language: without this, `model` answers all in another."""
    route: Route = Route()

    @model_validator(mode="after")
    def _knows_what_is_simple(self) -> LanguageModel:
        _check_route(self.fast_model, self.route)
        return self

    def over(self, model: Model) -> Model:
        """Return the agent's model with what answers in this language."""
        return model.model_copy(
            update={"model": self.model or model.model, "fast_model": self.fast_model, "route": self.route}
        )


class LanguageTurns(Part):
    """Turn-taking in one language; 0 takes the agent's."""

    min_endpointing_delay_ms: int = Field(0, ge=0, le=10_000)
    max_endpointing_delay_ms: int = Field(0, ge=0, le=30_000)

    def over(self, turn: Turns) -> Turns:
        """Return the agent's turn-taking with the delays of this language."""
        return turn.model_copy(update={name: value for name, value in self.model_dump().items() if value})


class Language(Part):
    """Another language of the agent: what is said in it, and by which voice. Empty fields take the agent's own."""

    tag: LanguageTag
    prompt: str = ""
    greeting: str = ""
    """Empty: none, for the agent's own is in its first language."""
    voice: Voice = Voice()
    """Where it names none, one of the language."""
    phrases: Phrases = Phrases()
    fillers: tuple[Sentence, ...] | None = None
    tools: tuple[LanguageTool, ...] = ()
    """What is said while they run. Not named: `fillers`, for a tool's own are in the first language."""
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


class Agent(Part):
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
    mcp: tuple[McpServer, ...] = ()
    prefetch: tuple[Prefetch, ...] = ()
    fillers: tuple[Sentence, ...] | None = None
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

    @field_validator("mcp")
    @classmethod
    def _servers_differ(cls, servers: tuple[McpServer, ...]) -> tuple[McpServer, ...]:
        names = [server.name for server in servers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"server names must be unique: {', '.join(twice)}")
        return servers

    @field_validator("prefetch")
    @classmethod
    def _only_reads_ahead(cls, rules: tuple[Prefetch, ...], info: ValidationInfo) -> tuple[Prefetch, ...]:
        tools = {tool.name: tool for tool in info.data.get("tools", ())}
        has_others = bool(info.data.get("mcp"))  # what its servers offer is known once they are connected
        for rule in rules:
            if rule.after not in (AFTER_START, AFTER_TURN, *tools) and not has_others:
                raise ValueError(
                    f"after: {rule.after!r} is neither {AFTER_START}, {AFTER_TURN} nor a tool of the agent"
                )
            tool = tools.get(rule.tool)
            if tool is None and not has_others:
                raise ValueError(f"tool: the agent has no tool {rule.tool!r}")
            if tool is not None and not tool.read_only:
                raise ValueError(f"tool: {rule.tool!r} is not read_only, so it is never run ahead")
        return rules

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
            own = {tool.name for tool in info.data.get("tools", ())}
            names = [tool.name for tool in language.tools]
            if wrong := sorted({name for name in names if name not in own or names.count(name) > 1}):
                raise ValueError(f"tools: {language.tag} names what is no tool here, or twice: {', '.join(wrong)}")
        return languages

    @property
    def language_tags(self) -> tuple[str, ...]:
        """All languages, the first one first."""
        return (self.language, *(language.tag for language in self.languages))

    @property
    def key_terms(self) -> tuple[KeyTerm, ...]:
        """The words to favour in all languages."""
        return (*self.asr.key_terms, *(term for language in self.languages for term in language.asr.key_terms))

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
                "fillers": other.fillers,
                "tools": LanguageTool.over(self.tools, other.tools),
                "llm": other.llm.over(self.llm),
                "turn": other.turn.over(self.turn),
            }
        )

    def tool_fillers(self, tool: str) -> tuple[str, ...] | None:
        """Return what is said while a tool runs, before `waiting_words`; None where it has no words of its own."""
        return next((own.fillers for own in self.tools if own.name == tool), None)

    @property
    def waiting_words(self) -> tuple[str, ...]:
        """What is said while any tool runs."""
        return default_fillers(self.language) if self.fillers is None else self.fillers

    @property
    def sentences(self) -> frozenset[str]:
        """All that the agent may have to say without asking the model."""
        own = (text for tool in self.tools for text in tool.fillers or ())
        return frozenset({*(self.phrase(phrase) for phrase in Phrase), *self.waiting_words, *own} - {""})

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
