"""What the caller of the demo says, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

AGENT = "appointments"
CALLER_VOICE = "en-us+f2"
"""Another than the agent's. Of six espeak-ng voices tried (each utterance six times, louder and softer, through the
recognition service) the one it is surest of: 48 of 48 right, mean confidence 0.89."""


@dataclass(frozen=True, slots=True)
class Step:
    """One utterance of the caller's.

    It begins once the agent has finished or, with `barges_in_after_ms`, once that much of its answer was heard.
    """

    text: str
    answer_mentions: tuple[str, ...]
    """Each must occur in the agent's answer; "a|b" is either."""
    barges_in_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ExpectedCall:
    """A tool call that must be made, with exactly these arguments."""

    name: str
    arguments: Mapping[str, str]


STEPS: tuple[Step, ...] = (
    Step("hello, what are your opening hours", ("eight", "six")),
    Step("i would like to book an appointment", ("day",)),
    Step("next tuesday", ("time",)),
    Step("at ten thirty", ("still looking", "name")),
    Step("my name is maria gomez", ("maria", "tuesday", "ten thirty")),
    Step("what treatments do you offer", ("cleaning",)),
    Step("how much is a cleaning", ("eighty",), barges_in_after_ms=1800),
    Step("that is all, thank you, goodbye", ("goodbye",)),
)
EXPECTED_CALLS: tuple[ExpectedCall, ...] = (
    ExpectedCall("check_availability", {"day": "tuesday", "time": "10:30"}),
    ExpectedCall("book_appointment", {"day": "tuesday", "time": "10:30", "name": "Maria Gomez"}),
)
LOOKING_S = 3.0
"""How long it takes to see what is free in the demo's calendar: long enough for the agent to fill the silence."""
ENDED_BY = "agent"
