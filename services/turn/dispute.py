"""Speech over the agent: an interruption, or a backchannel, a cough or noise. Pure, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from services.turn.endpointing import TurnRules
from services.turn.events import Hypothesis
from services.turn.languages.words import listed
from services.turn.text import beyond_backchannels

LATE_WORDS_MS = 1500
"""How long after a backchannel its words may still turn out to be an interruption: the recogniser runs behind."""
WORD_CONFIDENCE = 0.3
"""Recogniser's confidence under which words over the agent are taken for noise."""
STOPPING = listed("stop wait no hold hang sorry excuse pardon cancel quiet enough")
"""Words that take the floor by themselves, in English as grammars are. The recogniser need not be as sure of them."""
SURE_OF_ONE, SURE_OF_SOME = 0.6, 0.4
"""Confidence from which one word, or several, that fit the agent's grammar are believed.

A recogniser with a grammar hears words of it in any sound: of "uh huh", "mhm", "right" and "okay" in four voices of
espeak-ng pocketsphinx made "book" (0.75), "for eight" (0.38), "eight a m" (0.43), "friday" (0.46). What stands outside
the grammar ("book the", 0.69) is the beginning of a sentence or nothing: it counts from `MANY` words on."""
MANY = 3
ALONE_MS = 600
"""Speech that holds a backchannel and a word more: in less, the word is the backchannel's own tail ("okay eight")."""


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
    if wants_floor(speech.hypothesis, rules.language, speech.spoken_ms):
        return Verdict.WORDS
    if speech.spoken_ms >= rules.interruption_speech_ms and not rules.only_words_interrupt:
        return Verdict.DURATION
    if speech.silence_ms is not None and speech.silence_ms >= rules.backchannel_silence_ms:
        return Verdict.BACKCHANNEL
    return Verdict.OPEN


def wants_floor(hypothesis: Hypothesis | None, language: str, spoken_ms: float) -> bool:
    """Return whether the words of `spoken_ms` of speech are surely recognised and no backchannel."""
    if hypothesis is None or 0 < hypothesis.confidence < WORD_CONFIDENCE:
        return False
    said = beyond_backchannels(hypothesis.text, language)
    if not said or not hypothesis.has_grammar or not hypothesis.confidence or not STOPPING.isdisjoint(said):
        return bool(said)
    if not hypothesis.matches_grammar:
        return len(said) >= MANY
    if len(said) > 1:
        return hypothesis.confidence >= SURE_OF_SOME
    is_alone = len(hypothesis.text.split()) == 1
    return hypothesis.confidence >= SURE_OF_ONE and (is_alone or spoken_ms >= ALONE_MS)
