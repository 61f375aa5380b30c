"""What a language model engine is: a typed seam that knows neither gRPC nor protobuf."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeAlias, runtime_checkable


class Role(Enum):
    """Who wrote a message. Values are those of the chat APIs."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Priority(Enum):
    """Order in an engine's queue; less is sooner."""

    LIVE = 0
    SPECULATIVE = 1
    PREFILL = 2


class FinishReason(Enum):
    """Why a generation ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call of a tool. The servicer lets it out only if the arguments fit the tool's schema."""

    id: str
    """Unique within the conversation."""
    name: str
    arguments_json: str
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation."""

    role: Role
    content: str = ""
    """Text; for a tool result, JSON."""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    """For a tool result: the call it answers."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the model may call."""

    name: str
    description: str
    parameters_json_schema: str
    """JSON schema of the arguments; checked by the servicer to be an object schema."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling settings; None leaves one to the engine."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One assistant message to generate."""

    messages: tuple[Message, ...]
    model: str = ""
    """Model, adapter or script; empty takes the engine's default."""
    tools: tuple[Tool, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    priority: Priority = Priority.LIVE
    speculative: bool = False
    language: str = ""
    """BCP 47 tag to answer in; empty leaves it to the model."""
    tenant: str = ""
    """Whose conversation it is: what is computed for one tenant is never found by another."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text to append."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens spent, in the engine's own tokens (words, where the engine has no tokenizer)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Of prompt_tokens, those found in the prefix cache."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a generation: the last event, exactly once."""

    reason: FinishReason
    usage: Usage = Usage()


LlmOutput: TypeAlias = TextDelta | ToolCall | Finished
"""What leaves the service."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The engine has begun with the request. At most once, before all output; engines that do not know leave it out."""

    queue_us: int
    """How long the request waited for that: for a slot, or for a place in a batch."""


LlmEvent: TypeAlias = Begun | LlmOutput


@dataclass(frozen=True, slots=True)
class LlmCapabilities:
    """What an engine is and can do."""

    name: str
    """Name in the ENGINES table."""
    is_language_model: bool
    """False for engines that only stand in for one: `rules` and `fake`."""
    has_prefix_cache: bool = False


class LlmEngine(Protocol):
    """A language model. Constructed with the service's settings; everything slow happens in `start`."""

    @property
    def capabilities(self) -> LlmCapabilities:
        """What this engine is and can do."""

    @property
    def running(self) -> int:
        """Generations that hold anything: requests, connections, GPU slots. 0 once all are closed."""

    async def start(self) -> None:
        """Load and warm up. Raises a ParleyError that says what to set where it cannot."""

    async def close(self) -> None:
        """Release everything."""

    def model_label(self, model: str) -> str:
        """Return what `EngineInfo.model` says for a request that names `model`. Raises InvalidInput if unknown."""

    def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmEvent, None]:
        """Yield text and tool calls as they come, then one Finished; Begun first, where the engine knows its queue.

        Closing the generator (`contextlib.aclosing`), or cancelling the task that iterates it, aborts the request and
        releases all it holds before `aclose` returns. Raises ParleyErrors.
        """

    async def prefill(self, request: GenerationRequest) -> int:
        """Warm the prefix cache with a conversation; return its tokens now cached, 0 where there is no cache."""


@runtime_checkable
class MortalEngine(Protocol):
    """An engine that notices its own death without a caller."""

    async def wait_dead(self) -> str:
        """Return once the engine can serve no more, with the reason."""
