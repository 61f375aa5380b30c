"""What the words of a language say of a turn: a table a language, and how it is read. Pure.

Tables hold what is common on the telephone and says much: a word that ends whole turns about as often as broken ones is
left out. English, which has rules of its own, is in `services/turn/text.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

OPEN_NUMBERS = range(2, 10)
"""Numbers in a row that read as one still being told."""
_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def listed(text: str) -> frozenset[str]:
    """Return the words of a list written as one text."""
    return frozenset(text.split())


def tokens_of(text: str) -> list[str]:
    """Return the words of `text` in lower case, without punctuation."""
    return _TOKEN.findall(text.lower().replace("\u2019", "'"))


def ends_with(tokens: list[str], phrases: tuple[str, ...]) -> bool:
    """Return whether the words end with one of the phrases."""
    return f" {' '.join(tokens)}".endswith(_endings(phrases))


@cache
def _endings(phrases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f" {phrase}" for phrase in phrases)


@dataclass(frozen=True, slots=True)
class LanguageWords:
    """The words of one language. Phrases are words in a row, as `tokens_of` gives them."""

    dangling: frozenset[str]
    """Never the last of a turn: conjunctions, articles, prepositions, fillers."""
    dangling_phrases: tuple[str, ...]
    copulas: frozenset[str]
    """Forms of "to be", and other verbs that end a turn only in a question or a short answer ("no tengo")."""
    before_copula: frozenset[str]
    """Words after which a copula is a short answer."""
    question_words: frozenset[str]
    numbers: frozenset[str]
    number_endings: tuple[str, ...]
    """How further numbers end."""
    complete_alone: frozenset[str]
    """A turn of nothing but these is whole."""
    complete_endings: tuple[str, ...]
    backchannel_words: frozenset[str]
    backchannel_phrases: tuple[str, ...]
    not_dangling: tuple[str, ...] = ()
    """Endings that say neither, though a phrase that dangles is the last of them."""

    def is_complete(self, tokens: list[str]) -> bool:
        """Return whether the words are a whole answer, request or farewell."""
        return all(token in self.complete_alone for token in tokens) or ends_with(tokens, self.complete_endings)

    def is_unfinished(self, tokens: list[str]) -> bool:
        """Return whether the words break off where more must come."""
        last = tokens[-1]
        if last in self.copulas:
            is_short_answer = len(tokens) >= 2 and tokens[-2] in self.before_copula
            return not is_short_answer and tokens[0] not in self.question_words
        if last in self.dangling:
            return True
        return ends_with(tokens, self.dangling_phrases) and not ends_with(tokens, self.not_dangling)

    def is_read_out(self, tokens: list[str]) -> bool:
        """Return whether the words end in numbers that are being told one by one."""
        numbers = 0
        while numbers < len(tokens) and self._is_number(tokens[-1 - numbers]):
            numbers += 1
        return numbers in OPEN_NUMBERS

    def _is_number(self, token: str) -> bool:
        return all(
            part.isdecimal() or part in self.numbers or part.endswith(self.number_endings) for part in token.split("-")
        )
