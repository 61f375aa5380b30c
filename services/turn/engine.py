"""What an engine of this service is: the acoustic side, from samples to probabilities. It decides nothing.

How probabilities, text and the agent's state become turn events is the same for every engine: `tracker.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from services.turn.gate import GateRules


class Frame(NamedTuple):
    """One examined stretch of audio."""

    start_ms: float
    """Where it begins, from the first sample of the stream."""
    end_ms: float
    """Where it ends."""
    speech: float
    """Probability that it holds speech, 0 to 1."""
    levels_dbfs: Sequence[float] = ()
    """Levels of equal parts of it, in order, for dating the end of speech; empty: not measured."""


class Heard(NamedTuple):
    """What one chunk of audio yielded: the frames that it completed, in order; often none or one."""

    frames: Sequence[Frame]
    queue_us: int = 0
    """Time the chunk waited for the model."""
    engine_us: int = 0
    """Time inside the model, shared with the other streams of its batches."""


class Completeness(NamedTuple):
    """How complete the turn sounds."""

    probability: float
    """P(complete), 0 to 1."""
    queue_us: int = 0
    engine_us: int = 0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine is and can do, known once it has started."""

    engine: str
    """Its name in ENGINES."""
    model: str
    """What is loaded."""
    capacity_streams: int
    """Streams it takes at once."""
    uses_audio_model: bool
    """Whether `judge` answers with a probability. False: voice activity and text alone decide."""
    gate: GateRules
    """How its frame probabilities become speech and silence."""
    fixed_delay_ms: int | None = None
    """Silence after which every turn ends, whatever is said or heard: a fake's. None: endpointing decides."""


class AcousticStream(Protocol):
    """One caller's audio inside an engine. Used by one task at a time, but `judge` may run beside `hear`."""

    async def hear(self, pcm: bytes) -> Heard:
        """Take a chunk (PCM16 at the stream's rate, whole samples, any length) and return the frames it completed.

        Raises EngineFault where the model failed, EngineDead where the engine is gone.
        """

    async def judge(self, onset_ms: float) -> Completeness | None:
        """Return how complete the turn that began at `onset_ms` sounds, from at most the last 8 s heard so far.

        None: no audio model, or it is too busy to answer in time. Raises EngineFault where the model failed.
        """

    def close(self) -> None:
        """Give back whatever the stream holds. May be called at any time, also while a call is under way, and twice."""


class TurnEngine(Protocol):
    """Loads the models and opens streams."""

    @property
    def capabilities(self) -> Capabilities:
        """What the engine is; valid after `start`."""

    async def start(self) -> None:
        """Load and warm the models. Raises a ParleyError that says what is missing and how to get it."""

    def open(self, sample_rate_hz: int) -> AcousticStream:
        """Open a stream of mono PCM16 at that rate. Raises Overloaded where every place is taken."""

    async def close(self) -> None:
        """Stop threads and release the models."""
