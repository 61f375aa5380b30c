"""What a speech engine is to this service: a narrow Protocol and the plain values that cross it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from services.tts.text import Phrase, Span


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do. Servicers and tests read it; nothing guesses by an engine's name."""

    engine: str
    """Name as in ENGINES."""
    model: str
    """Model or voice set that is loaded."""
    voices: tuple[str, ...]
    """Voices worth listing. An engine may accept more, such as a voice with a variant."""
    native_rate_hz: int
    """Rate it renders at; any other is resampled."""
    ipa_languages: tuple[str, ...] = ()
    """Languages in which it takes IPA pronunciations (perhaps a subset of the symbols). Elsewhere they are ignored."""


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """How to say one word. Exactly one of `respelling` and `ipa` is set."""

    word: str
    respelling: str = ""
    ipa: str = ""


@dataclass(frozen=True, slots=True)
class SpeakerConfig:
    """What a client asks of the voice of one stream. Rate and speed are already validated."""

    sample_rate_hz: int
    voice: str = ""
    """Empty: chosen by `language`, or else the server's default."""
    language: str = ""
    """BCP 47; used only where no voice is named."""
    speed: float = 1.0
    """0.5 to 2, relative to the voice's own."""
    pronunciations: tuple[Pronunciation, ...] = ()
    style: str = ""


@dataclass(frozen=True, slots=True)
class WordTiming:
    """Where one word of the phrase lies in its audio, on the clock of the phrase's first sample."""

    span: Span
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """A piece of a phrase's audio, in order.

    `words` are the words that begin in this piece or in one before and were not given yet; an engine gives them as
    early as it knows them. The last piece has `is_last`, and by then every word of the phrase was given once, in order.
    """

    pcm: bytes
    """PCM16 at the configured rate."""
    words: tuple[WordTiming, ...] = ()
    is_last: bool = False
    queue_us: int = 0
    """Time this piece waited for a worker or a lock."""


class Speaker(Protocol):
    """One stream's voice."""

    def render(self, phrase: Phrase) -> AsyncGenerator[Rendered, None]:
        """Render a phrase piece by piece; the next piece is made only when asked for.

        Closing or cancelling the generator stops the rendering: once that returns, nothing of it runs any more.
        Raises EngineFault where this phrase failed, EngineDead where no phrase can succeed any more.
        """


class TtsEngine(Protocol):
    """Turns phrases into speech for many streams at once, and never blocks the event loop."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do. Known once `start` has returned."""

    @property
    def running(self) -> int:
        """Phrases being rendered now, so that a cancellation can be seen to have reached the engine."""

    async def start(self) -> None:
        """Load and warm. Raises EngineFault where that fails."""

    async def close(self) -> None:
        """Release everything. Also called after a failed start."""

    def speaker(self, config: SpeakerConfig) -> Speaker:
        """Return a voice for one stream. Raises InvalidInput for an unknown voice or language, naming near ones."""
