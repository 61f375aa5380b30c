"""Words said against words heard. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[a-z0-9']+")


def words_of(text: str) -> list[str]:
    """Return the words of a text, lower case, without punctuation."""
    return _WORD.findall(text.lower().replace("\u2019", "'"))


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return the least number of substitutions, insertions and deletions that make `heard` of `said`."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        previous, row = row, [number]
        for place, other in enumerate(heard, 1):
            row.append(min(previous[place] + 1, row[-1] + 1, previous[place - 1] + (word != other)))
    return row[-1]
