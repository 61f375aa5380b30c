"""When an answer is begun before the turn is over, and when it is given up: rules over what is heard. No clock, no I/O.

An answer to a guess costs a generation, so there are few of them and each needs a reason: words that stand still, or a
turn that is probably over. What it gains and costs: `python -m bench speculation`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from dataclasses import dataclass

from services.common.language_tags import primary_subtag

STABLE_MS = 200
"""A partial whose words have not changed for this long in silence is likely to be all of it."""
STABLE_IN_SPEECH_MS = 600
"""The same while there is sound: words come 200 to 500 ms apart, so between any two of them a partial stands still."""
MIN_CONFIDENCE = 0.85
MAX_GUESSES = 3
"""A turn. The last is kept for the end of the turn: pauses within it must not use them up."""
MAX_WORDS = 60
"""Of a turn that is guessed at: a long one is rarely over where it seems to be, and its answer is not a quick one."""
WARM_WORDS = 6
"""The stable words must have grown by this many for the model's cache to be told of them again."""
MAX_WARMINGS = 3
"""A turn."""

Words = tuple[str, ...]

_WORD = re.compile(r"\w+")
_APOSTROPHES = str.maketrans("", "", "'\u2019\u02bc`")
_FILLERS = {
    "en": frozenset({"ah", "eh", "er", "erm", "hm", "hmm", "mm", "mhm", "uh", "uhm", "um"}),
    "de": frozenset({"äh", "ähm", "eh", "hm", "hmm", "mhm", "öh", "öhm"}),
    "es": frozenset({"ah", "eh", "em", "este", "hm", "mm"}),
    "fr": frozenset({"ah", "bah", "ben", "euh", "heu", "hm", "hum"}),
}
"""Sounds of thinking, by language: heard or not, they do not change what was said."""


def words_of(text: str, language: str = "en") -> Words:
    """Return what two transcripts of the same words have in common: no case, punctuation or fillers.

    `language`: BCP 47 tag; fillers of a language that is not known here count as words.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)
    fillers = _FILLERS.get(primary_subtag(language), frozenset())
    return tuple(word for word in _WORD.findall(plain) if word not in fillers)


@dataclass(frozen=True, slots=True)
class Guess:
    """Begin to answer `text`, as if the turn ended here."""

    text: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Give the guess up; `reason` is one of `spans.DISCARDS`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Warm:
    """Have the model's cache filled with `text`, which the caller's turn will begin with."""

    text: str


Order = Guess | Drop | Warm


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the conversation stands."""

    at_s: float
    utterance: int
    """Epoch of the caller's open utterance; 0: none."""
    is_over: bool
    """The turn is probably or certainly over."""
    is_silent: bool = True
    """The turn detector hears no speech now."""
    goes_on: bool = False
    """The utterance goes on with a turn that was taken to be over."""
    may_guess: bool = True
    """Nobody is being answered, and there is room for a guess."""


class Speculation:
    """The rules for one call. `heard` with each hypothesis; `orders` after whatever may have changed something."""

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self._begin(0)
        self._guesses = 0
        self._warmings = 0

    def _begin(self, utterance: int) -> None:
        self._utterance = utterance
        self._text = ""
        self._words: Words = ()
        self._since_s = 0.0
        self._confidence = 0.0
        self._stable = ""
        self._stable_words = 0
        self._warmed_words = 0
        self._guessed: Words = ()
        self._was_over = False

    def heard(self, utterance: int, text: str, stable: str, confidence: float, at_s: float) -> None:
        """Take the recogniser's word on the turn: all its `text`, and the part of it that is `stable`.

        `confidence`: 0 to 1, 0 where it is not known. Of another utterance than `orders` was last told of: nothing.
        """
        if utterance != self._utterance:
            return
        if text != self._text:
            words = words_of(text, self._language)
            if words != self._words:
                self._words, self._since_s = words, at_s
            self._text = text
        if stable != self._stable:
            self._stable, self._stable_words = stable, len(words_of(stable, self._language))
        self._confidence = confidence

    def orders(self, moment: Moment) -> list[Order]:
        """Return what to do now."""
        found: list[Order] = []
        if moment.utterance != self._utterance:
            if self._guessed:
                found.append(Drop("unanswered"))
            self._begin(moment.utterance)
            if not moment.goes_on:
                self._guesses = self._warmings = 0
        if not moment.utterance:
            return found
        if drop := self._drop(moment):
            found.append(drop)
        self._was_over = moment.is_over
        if self._may_guess(moment) and self._is_due(moment):
            self._guesses += 1
            self._guessed = self._words
            found.append(Guess(self._text))
        elif not self._guessed and (warm := self._warm()):
            found.append(warm)
        return found

    def again_s(self, moment: Moment) -> float | None:
        """Return when to ask for orders again though nothing has happened; None: no need."""
        if not self._may_guess(moment) or self._confidence < MIN_CONFIDENCE or self._is_due(moment):
            return None
        return self._since_s + _stable_s(moment)

    def _drop(self, moment: Moment) -> Drop | None:
        if not self._guessed:
            return None
        if self._was_over and not moment.is_over:
            self._guessed = ()
            self._since_s = moment.at_s
            return Drop("resumed")
        if self._words != self._guessed:
            self._guessed = ()
            return Drop("changed")
        return None

    def _may_guess(self, moment: Moment) -> bool:
        most = MAX_GUESSES if moment.is_over else MAX_GUESSES - 1
        is_guessable = self._words and self._words != self._guessed and len(self._words) <= MAX_WORDS
        return bool(is_guessable) and moment.may_guess and self._guesses < most

    def _is_due(self, moment: Moment) -> bool:
        if moment.is_over:
            return True
        # A timer may fire a clock's tick early.
        stands_still = moment.at_s - self._since_s >= _stable_s(moment) - 1e-3
        return stands_still and self._confidence >= MIN_CONFIDENCE

    def _warm(self) -> Warm | None:
        if self._warmings >= MAX_WARMINGS or self._stable_words - self._warmed_words < WARM_WORDS:
            return None
        self._warmings += 1
        self._warmed_words = self._stable_words
        return Warm(self._stable)


def _stable_s(moment: Moment) -> float:
    return (STABLE_MS if moment.is_silent else STABLE_IN_SPEECH_MS) / 1000


RECENT = 8
"""Generations that tell how busy the model is now."""
REMEMBERED = 128
"""Generations among which the fastest tells how quick it is when nobody else is there."""
MAX_QUEUE_MS = 50.0
"""Mean time in the model's queue beyond which guesses would make callers wait."""
SLOWER = 3.0
"""Times the fastest first token, where an engine does not tell its queue, that mean the same..."""
SLOWER_BY_MS = 100.0
"""...and at least this much more."""
REFUSED_S = 2.0
"""How long nothing is guessed after the model said that it was full."""


class SpeculationBudget:
    """How much may be guessed in this process: callers who wait come first. One for all calls."""

    def __init__(self, max_open: int) -> None:
        """Allow `max_open` guesses at a time; 0: none, ever."""
        self._max_open = max_open
        self._open = 0
        self._refused_s = float("-inf")
        self._queue_ms: deque[float] = deque(maxlen=RECENT)
        self._first_token_ms: deque[float] = deque(maxlen=REMEMBERED)
        self._is_busy = False

    def has_room(self, at_s: float) -> bool:
        """Whether another guess may be begun."""
        return self._open < self._max_open and at_s - self._refused_s >= REFUSED_S and not self._is_busy

    def opened(self) -> None:
        """Note that a guess was begun."""
        self._open += 1

    def closed(self) -> None:
        """Note that a guess was used or given up."""
        self._open -= 1

    def refused(self, at_s: float) -> None:
        """Note that the model had no room."""
        self._refused_s = at_s

    def generated(self, queue_ms: float, first_token_ms: float) -> None:
        """Take a generation's time in the model's queue, and until its first token."""
        self._queue_ms.append(queue_ms)
        self._first_token_ms.append(first_token_ms)
        self._is_busy = self._are_slow()

    def is_overdue(self, waited_ms: float) -> bool:
        """Whether a first token that was waited for so long is late: the model is busy with those who come first."""
        return bool(self._first_token_ms) and waited_ms > self._slow_ms

    @property
    def _slow_ms(self) -> float:
        fastest_ms = min(self._first_token_ms)
        return max(SLOWER * fastest_ms, fastest_ms + SLOWER_BY_MS)

    def _are_slow(self) -> bool:
        if sum(self._queue_ms) / len(self._queue_ms) > MAX_QUEUE_MS:
            return True
        recent = list(self._first_token_ms)[-RECENT:]
        return len(recent) == RECENT and sum(recent) / len(recent) > self._slow_ms
