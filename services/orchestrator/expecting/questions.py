"""The table of how a language asks for the kinds of answers. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from services.common.expected import Expected


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
