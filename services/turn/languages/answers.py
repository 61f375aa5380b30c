"""How answers are said in a language: a table a language, and how figures and letters are counted in it. Pure.

What decides on an answer, in `services/turn/answers.py`, is one set of rules for all languages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

SAID_APART = (re.compile(r"(?<=\b[^\W\d_])-(?=[^\W\d_]\b)"), " ")
"""Letters that a recogniser joins: "m-e-i-e-r"."""


class PhoneLength(NamedTuple):
    """Figures of a telephone number."""

    least: int
    """Fewer are none yet."""
    whole: int
    """From here on it is told."""
    abroad: int = 0
    """How many more there are after a plus sign: the country's code, less the zero that it replaces."""


def spelled(word: str) -> tuple[re.Pattern[str], str]:
    """Return what reads "a wie anton" as the letter, where `word` stands between letter and name."""
    return re.compile(rf"\b([^\W\d_]) {word} \w+"), r"\1"


@dataclass(frozen=True, slots=True)
class AnswerWords:
    """How one language answers. Words are in lower case, as `tokens_of` gives them; patterns match whole words."""

    figures: Mapping[str, int]
    """Words that are numbers, with how many figures each is: "five" is one, "douze" two."""
    times: Mapping[str, int]
    """"double", "triple" and the like: how often the next figure is meant."""
    phone: PhoneLength
    fillers: frozenset[str]
    yes_no: frozenset[str]
    hedged: frozenset[str]
    """Phrases that answer a question for yes or no with neither."""
    assent: frozenset[str]
    """What is said before an answer that is still to come: "sure", "one moment"."""
    denial: frozenset[str]
    """What says that there is no answer."""
    name_lead: frozenset[str]
    """What is said before a name."""
    numbers: frozenset[str]
    """Words for a quantity."""
    open_numbers: frozenset[str]
    """Quantities to which a unit may be added: "twenty" may be "twenty five"."""
    at: tuple[str, ...]
    """Names of the sign in an e-mail address, the commonest first."""
    dot: str
    months: frozenset[str]
    days: re.Pattern[str]
    """Days of a month."""
    half_dates: frozenset[str]
    """Last words of a date or time to which another may be added."""
    whole_time: re.Pattern[str]
    """A time of day told to its end, and any other answer to "when" after which nothing comes. Of the whole text."""
    streets: re.Pattern[str]
    street_name_words: int
    """How many words of the street's name may follow that word."""
    is_number_first: bool
    """Whether a house number comes before the street."""
    rewrites: tuple[tuple[re.Pattern[str], str], ...] = ()
    """Numbers and letters said in several words, and what they count as: "treinta y cinco" is "00", two figures."""
    letters: frozenset[str] = field(default_factory=frozenset)
    """Names of letters, and the names by which they are spelled."""
    goes_on: frozenset[str] = field(default_factory=frozenset)
    """Never the last words of an answer that is read out, though they may end another turn."""
    articles: tuple[str, ...] = ()
    """Numbers that are articles too: "un" alone breaks off, but as a quantity it is whole."""
    broken_dates: frozenset[str] = field(default_factory=frozenset)
    """Never the last words of a date or time."""
    before_day: frozenset[str] = field(default_factory=frozenset)
    """Words before the day of a month, after which the month is still to come."""
    postcode_figures: int = 0
    """Figures of a postcode that stands before the town; 0: it stands after it."""
    reads_signs: bool = True
    """Whether what a recogniser writes in signs is read: "@", "10:30", "2026-03"."""

    def rewritten(self, tokens: list[str]) -> list[str]:
        """Return the words with what is said in several of them as one."""
        if not self.rewrites:
            return tokens
        said = " ".join(tokens)
        for pattern, counted_as in self.rewrites:
            said = pattern.sub(counted_as, said)
        return said.split()

    def figures_in(self, token: str) -> int:
        """Return how many figures one word is: "five" is one, "555-1234" seven, "table" none."""
        known = self.figures.get(token)
        if known is not None:
            return known
        joined = token.replace("-", "")
        return len(joined) if joined.isdecimal() else 0

    def is_letter(self, token: str) -> bool:
        """Return whether one word may be a letter being spelled."""
        return (len(token) == 1 and token.isalpha()) or token in self.letters

    def is_number(self, token: str) -> bool:
        """Return whether one word is a number or a part of one."""
        return token in self.numbers or token in self.open_numbers or self.figures_in(token) > 0

    def figures_at_end(self, tokens: list[str]) -> int:
        """Return how many figures the words end with: "double five one" and "551" are three."""
        count = 0
        for position in range(len(tokens) - 1, -1, -1):
            figures = self.figures_in(tokens[position])
            if not figures and tokens[position] not in self.times:
                break
            count += figures * (self.times.get(tokens[position - 1], 1) if position else 1)
        return count

    def letters_at_end(self, tokens: list[str]) -> int:
        """Return how many letters in a row the words end with, as in "s m i t"."""
        return next((count for count, token in enumerate(reversed(tokens)) if not self.is_letter(token)), len(tokens))

    def signs_at_end(self, tokens: list[str]) -> int:
        """Return how many figures and letters in a row the words end with."""
        count = 0
        for token in reversed(tokens):
            signs = self.figures_in(token) or int(self.is_letter(token))
            if not signs:
                break
            count += signs
        return count
