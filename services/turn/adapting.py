"""How one caller pauses, learned as the call goes on, so that the delay fits that caller. Pure.

How long people pause within a turn differs much between speakers, and a listener learns what is normal for the one
spoken to (Lundholm Fors, Production and Perception of Pauses in Speech, Gothenburg 2015). Of a caller is kept how far
pauses outlast the shortest delay, on average (m), and how often the caller goes on after a silence rather than being
done (the odds o), apart for silences after a text that reads as whole and after any other. The chance that a pause
outlasts the shortest delay by x is taken as exp(-x / m). Then a silence that an average caller breaks with some chance
after a given delay is broken by this one, with the same chance, after

    excess = m * (excess of an average caller / M + ln(o / O))

with M and O the average caller's. So a caller without a history is treated as an average one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

MEAN_EXCESS_MS = 300.0
"""M: a pause of 500 ms over a shortest delay of 200 ms. A typical pause lasts a quarter to half a second (Lundholm
Fors 2015), one that is long enough to count here is longer. A greater one trades cut-offs for delay."""
PRIOR_PAUSES = 2.0
"""How many pauses of an average caller the first of this caller's are weighed against."""
KEPT = 0.9
"""What is left of the weight of a silence with each that follows: half after seven."""
LONGEST_EXCESS_MS = 1500.0
"""A pause that is longer counts as this long, and no delay is lengthened beyond it: looking for a card is no habit."""
CUT_OFF_PAUSES = 2.0
"""How many pauses a cut-off counts for: it is what the delay is there to prevent."""
PROMPT_TURNS = 1.5
"""How many ends a turn counts for that was begun at once: who answers promptly is not searching for words."""
SCALE_LIMITS = (0.5, 2.5)
"""Least and greatest mean excess, in M."""
ODDS_LIMITS = (1 / 3, 3.0)
"""Least and greatest odds of going on, in O."""


@dataclass(slots=True)
class _Silences:
    """Silences of one kind: after how many the caller went on, and after how many the turn was over."""

    prior_went_on: float
    prior_over: float
    went_on: float = 0.0
    over: float = 0.0

    def add(self, *, went_on: float = 0.0, over: float = 0.0) -> None:
        self.went_on = self.went_on * KEPT + went_on
        self.over = self.over * KEPT + over

    @property
    def odds(self) -> float:
        """The odds of going on, in those of an average caller."""
        prior = self.prior_went_on / self.prior_over
        return (self.prior_went_on + self.went_on) / (self.prior_over + self.over) / prior


def _after_whole() -> _Silences:
    return _Silences(0.15, 3.0)


def _after_other() -> _Silences:
    return _Silences(2.0, 2.5)


@dataclass(frozen=True, slots=True)
class Habit:
    """How one caller's silences compare with an average caller's."""

    scale: float = 1.0
    """Mean excess of pauses, in MEAN_EXCESS_MS."""
    odds_whole: float = 1.0
    """Odds of going on after a text that reads as whole, in an average caller's."""
    odds_other: float = 1.0
    """The same after any other text."""

    def fit(self, excess_ms: float, *, is_whole: bool) -> float:
        """Return how far over the shortest delay this caller is waited for, where an average one is `excess_ms`."""
        odds = self.odds_whole if is_whole else self.odds_other
        fitted_ms = max(0.0, self.scale * (excess_ms + MEAN_EXCESS_MS * math.log(odds)))
        return min(fitted_ms, max(excess_ms, LONGEST_EXCESS_MS))


AVERAGE = Habit()
"""A caller of whom nothing is known."""


@dataclass(slots=True)
class PauseHistory:
    """One caller's silences so far, older ones with less weight.

    The average caller goes on once in 20 silences after a whole text, and four times for five ends after any other:
    rounded from seed 1 of `python -m bench endpointing`.
    """

    _pauses: float = 0.0
    _excess_ms: float = 0.0
    _whole: _Silences = field(default_factory=_after_whole)
    _other: _Silences = field(default_factory=_after_other)

    def paused(self, excess_ms: float, *, is_whole: bool, cut_off: bool = False) -> None:
        """Take a pause after which the caller went on; `cut_off`: the turn had been ended in it.

        `excess_ms`: over the shortest delay. A pause that is shorter could not have ended the turn and says nothing.
        """
        if excess_ms < 0:
            return
        self._pauses = self._pauses * KEPT + 1.0
        self._excess_ms = self._excess_ms * KEPT + min(excess_ms, LONGEST_EXCESS_MS)
        self._of(is_whole).add(went_on=CUT_OFF_PAUSES if cut_off else 1.0)

    def ended(self, *, is_whole: bool, prompt: bool = False) -> None:
        """Take a turn that was over when it was said to be; `prompt`: it had begun as soon as the agent was done."""
        self._of(is_whole).add(over=PROMPT_TURNS if prompt else 1.0)

    @property
    def habit(self) -> Habit:
        """What is known now."""
        mean_ms = (PRIOR_PAUSES * MEAN_EXCESS_MS + self._excess_ms) / (PRIOR_PAUSES + self._pauses)
        return Habit(
            _within(mean_ms / MEAN_EXCESS_MS, SCALE_LIMITS),
            _within(self._whole.odds, ODDS_LIMITS),
            _within(self._other.odds, ODDS_LIMITS),
        )

    def _of(self, is_whole: bool) -> _Silences:
        return self._whole if is_whole else self._other


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])
