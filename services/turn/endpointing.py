"""How long a silence must last before it ends the turn. Pure.

From P(complete), the text, what the agent asked for, the caller's habit of pausing and the agent's limits.

About half of the pauses inside a sentence sound complete (Smart Turn v3.2 at 200 ms of silence, real voices), and short
whole turns such as "hello" may sound incomplete, so neither the audio nor the text decides alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from services.common.expected import Expected
from services.common.language_tags import primary_subtag
from services.turn.adapting import AVERAGE, Habit
from services.turn.answers import LONG_ANSWERS, is_begun, read_answer
from services.turn.events import EndReason, Hypothesis
from services.turn.text import Reading

MAX_DELAY_LIMIT_MS = 60_000
"""Longest delay that a client may ask for."""
LIKELY = 0.5
"""P(complete) from which a turn is probably over: Smart Turn's own threshold."""
LOW_CONFIDENCE = 0.5
"""Recogniser's confidence under which a text that misses the grammar says nothing."""

_CLEAR, _CLEARLY_NOT = 0.9, 0.1
_TEXT_WAIT_MS = 120
"""How long over the shortest delay the first text of a turn is waited for."""
_LONG_ANSWER_WAIT_MS = 300
"""The same where an answer is expected that is read out in pieces: what the audio says of these is worth little."""
_SETTLE_MS = 120
"""How long a text that changed in the pause is left to change again: recognisers give one every 100 ms or so."""
_AUDIO_WAIT_MS = 150
"""How long over the shortest delay a P(complete) that is under way is waited for."""
_EAGER_LEAD_MS = 300
"""How long before a long delay ends the turn is announced, so that its transcript is final by then."""
_EAGER_DOUBT_MS = 400
"""Silence after which a transcript is worth finalising to settle a doubt: a partial that reads unfinished may be a
wrong guess that the final mends, and then the caller waits for nothing."""
_EAGER_PENDING_MS = 150
"""Silence after which a whole text is announced though P(complete) is still under way."""

_FLOOR_OF = {
    Reading.COMPLETE: 0.0,
    Reading.UNKNOWN: 0.0,
    Reading.NEUTRAL: 0.05,
    Reading.OPEN: 0.3,
    Reading.UNFINISHED: 0.5,
}
"""Share of the way from the shortest to the longest delay that a text asks for however complete the turn sounds."""
_WEIGHT_OF = {
    Reading.COMPLETE: 0.05,
    Reading.UNKNOWN: 0.5,
    Reading.NEUTRAL: 0.5,
    Reading.OPEN: 0.5,
    Reading.UNFINISHED: 1.0,
}
"""How much an incomplete sound may lengthen it: little against a text that is whole ("hello" scores under 0.1), half of
the way where the text says neither, since few pauses last that long (seed 1 of `python -m bench endpointing`)."""
_TEXT_PROBABILITY = {
    Reading.COMPLETE: 0.7, Reading.NEUTRAL: 0.5, Reading.UNKNOWN: 0.4, Reading.OPEN: 0.2, Reading.UNFINISHED: 0.05,
}  # fmt: skip
"""P(complete) that stands in where no audio model answered."""


@dataclass(frozen=True, slots=True)
class TurnRules:
    """What an agent asks of turn detection; the defaults are those of voice.turn.v1.DetectConfig."""

    speech_threshold: float = 0.5
    min_delay_ms: int = 200
    max_delay_ms: int = 3000
    interruption_speech_ms: int = 800
    backchannel_silence_ms: int = 300
    only_words_interrupt: bool = False
    language: str = "en"
    adapts: bool = True
    others: Mapping[str, TurnRules] = field(default_factory=dict)
    """The rules in other languages, by primary subtag."""

    def in_language(self, language: str) -> TurnRules:
        """Return the rules for a text in the language of a BCP 47 tag; of one that has none, these with its words."""
        if primary_subtag(language) == primary_subtag(self.language):
            return self
        return self.others.get(primary_subtag(language)) or replace(self, language=language)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a turn in a pause."""

    audio: float | None
    """P(complete) from audio; None: not known."""
    audio_pending: bool
    """Whether that probability is still being computed."""
    hypothesis: Hypothesis | None
    """The newest text of the turn; None: none has arrived."""
    changed_ms: float | None = None
    """Silence that had passed when the text changed in this pause for at least the second time; None: it did not."""
    expected: Expected = Expected.UNSPECIFIED
    """What the agent asked for."""


class Plan(NamedTuple):
    """What to do if the silence lasts."""

    probability: float
    """P(complete), from audio, or from text where no audio model answered."""
    eager_ms: float
    """Silence after which the turn is announced as probably over."""
    delay_ms: float
    """Silence after which it is over."""
    reason: EndReason
    is_whole: bool = False
    """Whether the text reads as a whole turn."""


def reading_of(hypothesis: Hypothesis | None, language: str, expected: Expected = Expected.UNSPECIFIED) -> Reading:
    """Return how the turn's text reads, with the grammar and the recogniser's confidence taken into account."""
    if hypothesis is None:
        return Reading.UNKNOWN
    reading = read_answer(hypothesis.text, expected, language)
    if not hypothesis.has_grammar or reading is Reading.UNKNOWN:
        return reading
    if hypothesis.matches_grammar:
        is_half = expected in LONG_ANSWERS and reading in (Reading.UNFINISHED, Reading.OPEN)
        is_half_read_out = is_half and is_begun(hypothesis.text, language)
        return reading if is_half_read_out else Reading.COMPLETE  # a grammar of digits takes any number of them
    if 0 < hypothesis.confidence < LOW_CONFIDENCE:
        return Reading.NEUTRAL  # speech outside the grammar, forced into its words
    if reading is Reading.NEUTRAL and hypothesis.confidence:
        return Reading.OPEN  # surely the beginning of a longer sentence of the grammar
    return reading


def plan(evidence: Evidence, rules: TurnRules, habit: Habit = AVERAGE) -> Plan:
    """Return when the pause ends the turn, on what is known now; ask again whenever something new is known."""
    reading = reading_of(evidence.hypothesis, rules.language, evidence.expected)
    probability = _TEXT_PROBABILITY[reading] if evidence.audio is None else evidence.audio
    span_ms = rules.max_delay_ms - rules.min_delay_ms
    doubt = min(1.0, max(0.0, (_CLEAR - probability) / (_CLEAR - _CLEARLY_NOT))) ** 2
    floor = _FLOOR_OF[reading]
    is_whole = reading is Reading.COMPLETE
    excess_ms = habit.fit(span_ms * (floor + (1 - floor) * doubt * _WEIGHT_OF[reading]), is_whole=is_whole)
    delay_ms = min(max(rules.min_delay_ms + excess_ms, _awaited_ms(evidence, reading, rules)), rules.max_delay_ms)
    return Plan(
        probability,
        _eager_ms(evidence, reading, probability, delay_ms),
        delay_ms,
        _reason(reading, probability, delay_ms, rules),
        is_whole,
    )


def _awaited_ms(evidence: Evidence, reading: Reading, rules: TurnRules) -> float:
    """Return the silence in which something is still to come that may change the plan."""
    awaited_ms = [0.0]
    if reading is Reading.UNKNOWN:
        is_long = evidence.expected in LONG_ANSWERS
        awaited_ms.append(rules.min_delay_ms + (_LONG_ANSWER_WAIT_MS if is_long else _TEXT_WAIT_MS))
    if evidence.audio_pending:
        awaited_ms.append(rules.min_delay_ms + _AUDIO_WAIT_MS)
    if evidence.changed_ms is not None:
        awaited_ms.append(evidence.changed_ms + _SETTLE_MS)
    return max(awaited_ms)


def _eager_ms(evidence: Evidence, reading: Reading, probability: float, delay_ms: float) -> float:
    late_ms = max(0.0, delay_ms - _EAGER_LEAD_MS)
    is_final = evidence.hypothesis is not None and evidence.hypothesis.is_final
    if evidence.audio_pending:
        return max(late_ms, _EAGER_PENDING_MS if reading is Reading.COMPLETE else _EAGER_DOUBT_MS)
    if probability >= LIKELY and reading not in (Reading.UNFINISHED, Reading.OPEN):
        return 0.0
    return late_ms if is_final else min(late_ms, _EAGER_DOUBT_MS)


def _reason(reading: Reading, probability: float, delay_ms: float, rules: TurnRules) -> EndReason:
    if delay_ms >= rules.max_delay_ms:
        return EndReason.MAX_DELAY
    if probability >= LIKELY and reading is Reading.COMPLETE:
        return EndReason.COMPLETE
    return EndReason.DELAY
