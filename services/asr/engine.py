"""What a recognition engine is to the service: streams of one utterance after another. No gRPC, no protobuf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AsrCapabilities:
    """What an engine is and can do."""

    engine: str
    model: str
    takes_grammar: bool
    takes_key_terms: bool
    capacity_streams: int = 0
    """Streams at once; 0: no fixed limit."""


@dataclass(frozen=True, slots=True)
class KeyTerm:
    """A word or phrase to favour, `boost` from 0 (none) to 1 (as strong as the engine can)."""

    text: str
    boost: float


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How to recognise one stream."""

    sample_rate_hz: int
    language: str = ""
    """BCP 47; empty: the engine's default, or what it detects."""
    languages: Sequence[str] = ()
    """All that may be spoken, `language` among them, to be told apart; fewer than two: `language` alone."""
    key_terms: Sequence[KeyTerm] = ()
    grammar: str = ""
    """JSGF; empty: none."""


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word; times count from the utterance's first sample."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Recognised:
    """What is recognised of the utterance so far, as a whole."""

    text: str = ""
    confidence: float = 0.0
    """0 to 1; 0 in a partial: not known yet."""
    words: Sequence[Word] = ()
    matches_grammar: bool = False
    is_settled: bool = True
    """Whether the words may count towards the stable prefix; False while the engine may yet read them otherwise."""
    stable_prefix: str | None = None
    """The leading part of `text` that the engine itself promises to keep. None: the service finds it by agreement."""
    language: str = ""
    queue_ms: float = 0.0
    engine_ms: float = 0.0


class AsrStream(Protocol):
    """One caller's stream. Calls never overlap: the service awaits each before the next.

    Every method may raise EngineFault (this stream failed, others go on) or EngineDead.
    """

    uses_grammar: bool
    uses_key_terms: bool
    languages: Sequence[str]
    """Those of its options' languages that it tells apart; empty: it hears one."""

    async def accept(self, pcm: bytes) -> None:
        """Take audio of the current utterance: PCM16 at the stream's rate."""

    async def partial(self) -> Recognised:
        """Return what is recognised of the utterance so far."""

    async def finalize(self) -> Recognised:
        """Return the final text of the utterance so far. Audio may follow: the utterance then goes on."""

    async def reset(self) -> None:
        """Drop the utterance and begin another."""

    async def close(self) -> None:
        """Release what the stream holds. Called once, also after a failure."""


class AsrEngine(Protocol):
    """A recognition engine, loaded once a process."""

    @property
    def capabilities(self) -> AsrCapabilities:
        """What it is and can do; complete once `start` returned."""

    @property
    def running(self) -> int:
        """Streams now open."""

    async def start(self) -> None:
        """Load and warm the models."""

    async def open(self, options: StreamOptions) -> AsrStream:
        """Open a stream. Raises InvalidInput for options it cannot use, Overloaded where it is full."""

    async def close(self) -> None:
        """Release everything."""
