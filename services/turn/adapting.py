"""How one caller pauses, learned as the call goes on, so that the delay fits that caller. Pure.

How long people pause within a turn differs much between speakers, and a listener learns what is normal for the one
spoken to (Lundholm Fors, Production and Perception of Pauses in Speech, Gothenburg 2015). Two things are kept of a
caller: how far pauses outlast the shortest delay, on average, and how many there are in a turn. With a mean excess m,
the chance that a pause outlasts the shortest delay by x is taken as exp(-x / m); a delay that an average caller's
pauses would outlast with some chance becomes the one that this caller's would outlast in as many turns:

    excess = m * (excess of an average caller / M + ln(pauses a turn / R))

with M and R the average caller's. So a caller without a history is treated as an average one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MEAN_EXCESS_MS = 300.0
"""M: a pause of 500 ms over a shortest delay of 200 ms. A typical pause lasts a quarter to half a second (Lundholm
Fors 2015), one that is long enough to count here is longer; tuned on seed 1 of `python -m bench endpointing`."""
PAUSES_A_TURN = 0.5
"""R; tuned like M."""
PRIOR_PAUSES = 2.0
"""How many pauses of an average caller the first of this caller's are weighed against."""
PRIOR_TURNS = 3.0
"""How many turns of an average caller the first of this caller's are weighed against."""
KEPT = 0.9
"""What is left of the weight of a pause or a turn with each that follows: half after seven."""
LONGEST_EXCESS_MS = 1500.0
"""A pause that is longer counts as this long: looking for a card is no habit."""
CUT_OFF_PAUSES = 2.0
"""How many pauses a cut-off counts for: it is what the delay is there to prevent."""
PROMPT_TURNS = 1.5
"""How many turns without a pause one counts for that was begun at once: who answers promptly is not searching."""
SCALE_LIMITS = (0.5, 2.5)
"""Least and greatest mean excess, in M."""
RATE_LIMITS = (1 / 3, 3.0)
"""Least and greatest number of pauses a turn, in R."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How one caller's pauses compare with an average caller's."""

    scale: float = 1.0
    """Mean excess, in MEAN_EXCESS_MS."""
    rate: float = 1.0
    """Pauses a turn, in PAUSES_A_TURN."""

    def fit(self, excess_ms: float) -> float:
        """Return how far over the shortest delay this caller is waited for, where an average one is `excess_ms`."""
        return max(0.0, self.scale * (excess_ms + MEAN_EXCESS_MS * math.log(self.rate)))


AVERAGE = Habit()
"""A caller of whom nothing is known."""


class PauseHistory:
    """One caller's pauses so far, older ones with less weight."""

    def __init__(self, min_delay_ms: float) -> None:
        self._min_delay_ms = min_delay_ms
        self._pauses = 0.0
        self._excess_ms = 0.0
        self._paused = 0.0
        self._turns = 0.0

    def paused(self, pause_ms: float, *, cut_off: bool = False) -> None:
        """Take a pause after which the caller went on; `cut_off`: the turn had been ended in it.

        One that is shorter than the shortest delay could not have ended the turn and says nothing.
        """
        excess_ms = min(pause_ms - self._min_delay_ms, LONGEST_EXCESS_MS)
        if excess_ms < 0:
            return
        self._pauses = self._pauses * KEPT + 1.0
        self._excess_ms = self._excess_ms * KEPT + excess_ms
        self._paused += CUT_OFF_PAUSES if cut_off else 1.0

    def ended(self, *, prompt: bool = False) -> None:
        """Take a turn that was over when it was said to be; `prompt`: it had begun as soon as the agent was done."""
        self._turns = self._turns * KEPT + (PROMPT_TURNS if prompt else 1.0)
        self._paused *= KEPT

    @property
    def habit(self) -> Habit:
        """What is known now."""
        mean_ms = (PRIOR_PAUSES * MEAN_EXCESS_MS + self._excess_ms) / (PRIOR_PAUSES + self._pauses)
        a_turn = (PRIOR_TURNS * PAUSES_A_TURN + self._paused) / (PRIOR_TURNS + self._turns)
        return Habit(_within(mean_ms / MEAN_EXCESS_MS, SCALE_LIMITS), _within(a_turn / PAUSES_A_TURN, RATE_LIMITS))


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])
