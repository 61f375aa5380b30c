"""Speech over the agent: an interruption, or a backchannel, a cough or noise. Pure, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from services.turn.endpointing import TurnRules
from services.turn.events import Hypothesis
from services.turn.text import Overlap, read_overlap

LATE_WORDS_MS = 1500
"""How long after a backchannel its words may still turn out to be an interruption: the recogniser runs behind."""
WORD_CONFIDENCE = 0.3
"""Recogniser's confidence under which words over the agent are taken for noise."""


class Floor(Enum):
    """Whose the floor is during a turn."""

    CALLER = auto()
    DISPUTED = auto()
    TAKEN = auto()


@dataclass(frozen=True, slots=True)
class SpeechOver:
    """Speech over the agent, as far as it is known."""

    hypothesis: Hypothesis | None
    """The newest text of it; None: none has arrived."""
    spoken_ms: float
    """Speech so far, pauses and the agent's own echo left out."""
    silence_ms: float | None
    """Silence since; None: it goes on, or may be about to."""


class Verdict(Enum):
    """What speech over the agent is."""

    OPEN = auto()
    """Cannot be told yet."""
    WORDS = auto()
    """An interruption: words that want the floor."""
    DURATION = auto()
    """An interruption: it lasts."""
    BACKCHANNEL = auto()
    """No interruption."""


def judge(speech: SpeechOver, rules: TurnRules) -> Verdict:
    """Return what `speech` is, as far as it is known."""
    if wants_floor(speech.hypothesis, rules.language):
        return Verdict.WORDS
    if speech.spoken_ms >= rules.interruption_speech_ms and not rules.only_words_interrupt:
        return Verdict.DURATION
    if speech.silence_ms is not None and speech.silence_ms >= rules.backchannel_silence_ms:
        return Verdict.BACKCHANNEL
    return Verdict.OPEN


def wants_floor(hypothesis: Hypothesis | None, language: str) -> bool:
    """Return whether the words are surely recognised and no backchannel."""
    if hypothesis is None or 0 < hypothesis.confidence < WORD_CONFIDENCE:
        return False
    return read_overlap(hypothesis.text, language) is Overlap.WORDS
