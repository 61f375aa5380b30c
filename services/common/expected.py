"""What kind of answer a caller is asked for: the orchestrator reads it off, turn detection waits by it."""

from __future__ import annotations

from enum import Enum


class Expected(Enum):
    """What kind of answer the agent's last words ask for. Values are those of voice.turn.v1.ExpectedAnswer."""

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
