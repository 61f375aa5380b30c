"""What the tracker says, one dataclass an event of voice.turn.v1, and what it is told beside audio.

Every position is in milliseconds of the caller's audio from the first sample of the stream; `at_ms` is how much audio
had been examined when the event arose.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EndReason(Enum):
    """Why a turn ended. Values are those of voice.turn.v1.EndOfTurnReason."""

    COMPLETE = 1
    DELAY = 2
    MAX_DELAY = 3


class InterruptionReason(Enum):
    """Why speech over the agent is an interruption. Values are those of voice.turn.v1.InterruptionReason."""

    WORDS = 1
    DURATION = 2


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller began to make speech."""

    at_ms: float
    onset_ms: float
    probability: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The caller fell silent."""

    at_ms: float
    end_ms: float
    speech_ms: float


@dataclass(frozen=True, slots=True)
class EagerEndOfTurn:
    """The turn is probably over."""

    at_ms: float
    probability: float
    speech_end_ms: float


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The turn is over. `speech_ms` leaves pauses out."""

    at_ms: float
    probability: float
    delay_ms: float
    reason: EndReason
    speech_end_ms: float
    speech_ms: float


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """Speech went on after EagerEndOfTurn."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class Interruption:
    """Speech over the agent is meant as an interruption."""

    at_ms: float
    reason: InterruptionReason
    onset_ms: float


@dataclass(frozen=True, slots=True)
class Backchannel:
    """Speech over the agent was no interruption."""

    at_ms: float
    onset_ms: float
    speech_ms: float


TurnEvent = SpeechStarted | SpeechStopped | EagerEndOfTurn | EndOfTurn | TurnResumed | Interruption | Backchannel


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the caller has said so far in the turn, as recognised. `confidence` 0 means not known."""

    text: str
    is_final: bool = False
    confidence: float = 0.0
    matches_grammar: bool = False
    has_grammar: bool = False
    language: str = ""
    """BCP 47; empty: the one in use."""
