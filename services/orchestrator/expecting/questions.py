"""The kinds of answers, and the table of how a language asks for them. Pure."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Expected(Enum):
    """A kind of answer. Values are those of voice.turn.v1.ExpectedAnswer."""

    UNSPECIFIED = 0
    ANYTHING = 1
    YES_NO = 2
    CHOICE = 3
    NUMBER = 4
    PHONE_NUMBER = 5
    CODE = 6
    NAME = 7
    SPELLING = 8
    EMAIL = 9
    DATE_TIME = 10
    ADDRESS = 11


class Questions(NamedTuple):
    """How one language asks. All patterns are of lower case, and searched in one sentence."""

    asks_for: re.Pattern[str]
    """Asks for something to be told: what is looked for in `things`."""
    things: tuple[tuple[Expected, re.Pattern[str]], ...]
    """What may be asked for, the narrower before the wider."""
    confirms: re.Pattern[str]
    """Asks whether something is so, and for nothing to be told."""
    yes_no: re.Pattern[str]
    """A question that yes or no answers."""
    choice: re.Pattern[str]
    """Names what to choose from."""
