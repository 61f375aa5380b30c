"""Phrases of a script: words with alternatives, optional parts and gaps, found anywhere in what was said.

(when|what time) are you [usually] open      one of (a|b), perhaps [c]
tell me ... treatments                       a gap of up to four words
< yes >                                      < and > stand for the start and the end of what was said
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.llm.engines.rules.text import words_of

GAP = "..."
START = "<"
END = ">"
MAX_GAP_WORDS = 4
MAX_VARIANTS = 2_000
_LEXER = re.compile(r"\.\.\.|[()\[\]|<>]|[^\s()\[\]|<>]+")


class PhraseError(ValueError):
    """A phrase that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to say a phrase: words, GAP, START and END."""

    parts: tuple[str, ...]

    @property
    def weight(self) -> int:
        """Number of words that must be there: the longest match wins."""
        return sum(part not in (GAP, START, END) for part in self.parts)


def parse_phrase(source: str) -> tuple[Variant, ...]:
    """Return every way to say `source`. Raises PhraseError."""
    pieces = _LEXER.findall(source)
    position, variants = _alternatives(pieces, 0, source)
    if position != len(pieces):
        raise PhraseError(f"{pieces[position]!r} closes nothing in {source!r}")
    found = tuple(Variant(parts) for parts in dict.fromkeys(variants))
    for variant in found:
        _check_variant(variant, source)
    return found


def _check_variant(variant: Variant, source: str) -> None:
    if not variant.weight:
        raise PhraseError(f"{source!r} can be said without a word: at least one must not be optional")
    if START in variant.parts[1:] or END in variant.parts[:-1]:
        raise PhraseError(f"{source!r}: < stands only at its start, > only at its end")
    if GAP in (variant.parts[0], variant.parts[-1]):
        raise PhraseError(f"{source!r}: a gap needs words on both sides; a phrase is found anywhere as it is")


def _alternatives(pieces: Sequence[str], position: int, source: str) -> tuple[int, list[tuple[str, ...]]]:
    """Read `a b | c` up to a closing bracket or the end."""
    choices: list[tuple[str, ...]] = []
    sequence: list[tuple[str, ...]] = [()]
    while position < len(pieces) and pieces[position] not in ")]":
        piece = pieces[position]
        position += 1
        if piece == "|":
            choices += sequence
            sequence = [()]
            continue
        if piece in "([":
            position, inner = _alternatives(pieces, position, source)
            closing = ")" if piece == "(" else "]"
            if position >= len(pieces) or pieces[position] != closing:
                raise PhraseError(f"{closing!r} is missing in {source!r}")
            position += 1
            options = inner if piece == "(" else [*inner, ()]
        else:
            options = [(piece,) if piece in (GAP, START, END) else words_of(piece)]
        sequence = [before + option for before in sequence for option in options]
        if len(sequence) > MAX_VARIANTS:
            raise PhraseError(f"{source!r} can be said in more than {MAX_VARIANTS} ways: split it")
    return position, choices + sequence


class PhraseIndex:
    """The phrases of a script by their first word, so that few are tried at each word."""

    def __init__(self) -> None:
        self._by_first: dict[str, list[tuple[Variant, str]]] = {}

    def add(self, variants: Iterable[Variant], meaning: str) -> None:
        """Let every one of `variants` stand for `meaning`."""
        for variant in variants:
            first = variant.parts[1] if variant.parts[0] == START else variant.parts[0]
            self._by_first.setdefault(first, []).append((variant, meaning))

    @property
    def words(self) -> set[str]:
        """Every word of every phrase."""
        return {
            part
            for entries in self._by_first.values()
            for variant, _ in entries
            for part in variant.parts
            if part not in (GAP, START, END)
        }

    def matches(self, words: Sequence[str]) -> Iterator[tuple[int, int, str, int]]:
        """Yield (start, end, meaning, weight) of every phrase found in `words`."""
        for start, word in enumerate(words):
            for variant, meaning in self._by_first.get(word, ()):
                parts = variant.parts
                if parts[0] == START:
                    if start:
                        continue
                    parts = parts[1:]
                end = _match(parts, words, start)
                if end is not None:
                    yield start, end, meaning, variant.weight


def _match(parts: Sequence[str], words: Sequence[str], position: int) -> int | None:
    """Return where `parts` end if they are found in `words` at `position`."""
    for index, part in enumerate(parts):
        if part == END:
            return position if position == len(words) else None
        if part == GAP:
            rest = parts[index + 1 :]
            for skipped in range(MAX_GAP_WORDS + 1):
                end = _match(rest, words, position + skipped)
                if end is not None:
                    return end
            return None
        if position >= len(words) or words[position] != part:
            return None
        position += 1
    return position
