"""Cuts a stream of text into phrases that a voice can speak: early, and where a voice would breathe.

From the best place to the worst: behind a sentence; behind a clause; before a conjunction or a relative pronoun that
opens one; before a preposition; between two words that do not belong together. Never within a number, a price, a name,
an address or an abbreviation, nor between an article or a preposition and its noun, unless there is no other place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from services.orchestrator.wording.directives import SAY_AS, SAY_AS_END
from services.orchestrator.wording.language import Breathing, Language


@dataclass(frozen=True, slots=True)
class Lengths:
    """From how many characters on a phrase may end at a place of each kind."""

    clause: int
    opener: int
    forced: int
    """Without any such place, it ends at the best there is before this length."""


FIRST = Lengths(clause=10, opener=24, forced=48)
"""The first phrase of an answer: what it waits for, the caller hears as silence. 10 characters are about 0.6 s of
speech, in which the next phrase is written and rendered."""
LATER = Lengths(clause=40, opener=56, forced=80)
SHORTEST_FORCED = 16
LONGEST_WORD = 200
"""A word is cut only beyond this: an address is one word."""

_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]*_”’]*(?=\s|$)|[。！？]+|\n+")  # noqa: RUF001 - CJK
_CLAUSE_ENDS = (",", ";", ":", "\u2013", "\u2014")
_CLOSERS = "\"')]*_”’"  # noqa: RUF001 - quotes
_AROUND = f"{_CLOSERS}(“‘[.,;:!?"  # noqa: RUF001 - quotes
_SENTENCE_MARKS = (".", "!", "?", "…")
_TOKEN = re.compile(r"\S+")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+")
_LIST_NUMBER = re.compile(r"\s*\d{1,2}\.$")
_ADDRESS = re.compile(
    r"\b(?:e-?mails?|mail|visit|website|web|site|www|http|correo|seite|adresse)\b|[@/]", re.IGNORECASE
)
_SAY_AS_OPEN = re.compile(f"[{''.join(SAY_AS.values())}][^{SAY_AS_END}]*$")
_LINK_OPEN = re.compile(r"\[[^\]]*$")
_BEGINS_IN_FIGURES = re.compile(r"[-+(#€$£¥]*\d")
_NO_WORDS = Breathing(*(frozenset[str]() for _ in range(7)))


class Phrase(NamedTuple):
    """A phrase, stripped."""

    text: str
    ends_line: bool = False
    """Whether a line ended behind it."""


class _Place(IntEnum):
    """How good a place between two words is to end a phrase; the lower the better."""

    CLAUSE = 1
    OPENER = 2
    PREPOSITION = 3
    WORD = 4
    ANY = 5


class _Word(NamedTuple):
    text: str
    core: str
    """In lower case, without marks around it."""
    start: int
    end: int


class PhraseChunker:
    """Collects deltas, gives phrases. One for each reply.

    `language`: whose words tell where to breathe; None: only marks do.
    """

    def __init__(self, language: Language | None = None) -> None:
        self._text = ""
        self._breathing = language.breathing if language else _NO_WORDS
        self._has_dotted_ordinals = language is not None and language.has_dotted_ordinals
        self._lengths = FIRST
        self._settled: list[tuple[int, _Place]] = []
        self._scanned = 0

    def push(self, delta: str) -> list[Phrase]:
        """Add text; return the phrases that are now whole, in order."""
        self._text += delta
        phrases = []
        while (end := self._boundary()) is not None:
            phrases += self._taken(end)
        return phrases

    def flush(self) -> list[Phrase]:
        """Return what is left: one phrase or none."""
        return self._taken(len(self._text))

    def _taken(self, end: int) -> list[Phrase]:
        raw, self._text = self._text[:end], self._text[end:].lstrip()
        self._settled, self._scanned = [], 0
        phrase = raw.strip()
        if not phrase:
            return []
        self._lengths = LATER
        return [Phrase(phrase, raw.rstrip(" \t\r").endswith("\n"))]

    def _boundary(self) -> int | None:
        text = self._text
        sentence = self._sentence_end(text)
        if sentence is not None and sentence <= LATER.forced:
            return sentence
        if len(text) < self._lengths.clause:
            return None
        places = self._places(text, sentence or len(text))
        for position, place in places:
            if (place is _Place.CLAUSE and position >= self._lengths.clause) or (
                place is _Place.OPENER and position >= self._lengths.opener
            ):
                return position
        return self._forced(text, places) if len(text) >= self._lengths.forced else None

    def _forced(self, text: str, places: list[tuple[int, _Place]]) -> int | None:
        """Return the best place before the text is too long; None while a better one may still come."""
        longest = self._lengths.forced
        within = [(place, -at) for at, place in places if SHORTEST_FORCED <= at <= longest and place is not _Place.ANY]
        if within:
            return -min(within)[1]
        if len(text) < LATER.forced:
            return None
        any_at = [at for at, _ in places if at <= LATER.forced]
        if any_at:
            return any_at[-1]
        if _is_protected(text):
            return LONGEST_WORD if len(text) >= LONGEST_WORD else None
        first = _TOKEN.match(text)
        return None if first and first.end() < LONGEST_WORD else LONGEST_WORD

    # --- sentences ----------------------------------------------------------------------------------------------------

    def _sentence_end(self, text: str) -> int | None:
        for match in _SENTENCE_END.finditer(text):
            end = match.end()
            if not match.group().startswith("\n") and self._is_open(text, end):
                continue
            if text[:end].strip() and not _is_protected(text[:end]):
                return end
        return None

    def _is_open(self, text: str, end: int) -> bool:
        """Whether the mark before `end` may not end the sentence: an abbreviation, an initial, a number."""
        before, rest = text[:end], text[end:].lstrip()
        word = before[before.rfind(" ") + 1 :]
        if not rest and _ADDRESS.search(before if before.endswith(".") else word):
            return True  # john. may become john.smith, and ? a query
        if not before.endswith("."):
            return False
        bare = word.strip(_CLOSERS + "(").lower()
        if bare[-2:-1].isdigit():  # "10." may become "10.30": wait for what follows, then it was a sentence end
            return not rest or bool(_LIST_NUMBER.match(before)) or (self._has_dotted_ordinals and not self._opens(rest))
        name = bare.replace(".", "")
        if not _INITIALS.fullmatch(bare) and name not in self._breathing.abbreviations:
            return False
        may_end = name in self._breathing.closing_abbreviations or name not in self._breathing.abbreviations
        return not (may_end and self._opens(rest))

    def _opens(self, rest: str) -> bool:
        """Whether a new sentence begins here, as far as can be told from its first word, which is whole."""
        word, space, _ = rest.partition(" ")
        return bool(space) and word[:1].isupper() and word.strip(_AROUND).lower() in self._breathing.subjects

    # --- places within a sentence -------------------------------------------------------------------------------------

    def _places(self, text: str, end: int) -> list[tuple[int, _Place]]:
        """Return the places between words of text[:end] that are known by now, in order."""
        words = [_word(match) for match in _TOKEN.finditer(text, self._scanned, end)]
        whole = len(words) if end < len(text) or text[-1:].isspace() else len(words) - 1
        unsettled: list[tuple[int, _Place]] = []
        for index in range(1, len(words)):
            before, after = words[index - 1], words[index]
            follows = words[index + 1] if index + 1 < whole else None
            place = self._place(before, after, follows, is_whole=index < whole)
            is_settled = index < whole and (follows is not None or after.core not in self._breathing.joiners)
            places = self._settled if is_settled and not unsettled else unsettled
            if place is not None and not _is_protected(text[: before.end]):
                places.append((before.end, place))
            if places is self._settled:
                self._scanned = after.start
        return [*self._settled, *unsettled]

    def _place(self, before: _Word, after: _Word, follows: _Word | None, *, is_whole: bool) -> _Place | None:
        """Return what lies between two words; None while that cannot be told.

        `is_whole`: whether all of `after` is here.
        """
        words = self._breathing
        is_behind_figure, is_before_figure = before.core[-1:].isdigit(), bool(_BEGINS_IN_FIGURES.match(after.text))
        if before.text.rstrip(_CLOSERS).endswith(_CLAUSE_ENDS):
            if is_behind_figure and is_before_figure:
                return _Place.ANY  # March 3, 2026
            if self._lengths is FIRST:
                return _Place.CLAUSE
            if not is_whole:
                return None
            return _Place.WORD if after.text.rstrip(_CLOSERS).endswith(_SENTENCE_MARKS) else _Place.CLAUSE
        if not is_whole:
            return None
        opens = words.joiners | words.clause_openers
        if before.core not in words.prepositions | opens:
            if after.core in words.clause_openers:
                return _Place.OPENER
            if after.core in words.joiners:
                return _Place.OPENER if follows is not None and follows.core in words.subjects else _Place.PREPOSITION
        if before.core in words.bound | opens:
            return _Place.ANY
        if after.core in words.prepositions:
            return _Place.PREPOSITION
        is_name = before.text[:1].isupper() and after.text[:1].isupper()
        belongs = is_behind_figure or is_before_figure or is_name or before.text.endswith(".")
        return _Place.ANY if belongs else _Place.WORD


def _word(match: re.Match[str]) -> _Word:
    return _Word(match.group(), match.group().strip(_AROUND).lower(), *match.span())


def _is_protected(before: str) -> bool:
    """Whether `before` ends within a stretch that is said as asked, or the text of a link."""
    if len(before) >= LONGEST_WORD:
        return False
    return ("[" in before and bool(_LINK_OPEN.search(before))) or bool(_SAY_AS_OPEN.search(before))
