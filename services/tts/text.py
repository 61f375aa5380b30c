# ruff: noqa: RUF001 (marks of other scripts are the subject here)
"""Text before it is spoken: markup blanked, words found, respellings put in, long text divided.

Every step keeps the way back to the phrase as the client wrote it, since word timings refer to that.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_IDEOGRAPHIC = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_IDEOGRAPHIC}]|[^\s{_IDEOGRAPHIC}]+")
"""A word is what stands between white space; Chinese and Japanese write none, so there each character is one."""

_MARKUP = re.compile(
    r"</?[A-Za-z][^<>]{0,200}>"  # tags
    r"|(?<=\])\([^()\s]{1,500}\)"  # the address of a [link](address)
    r"|`+|~~"
    r"|(?<!\w)[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)"  # *emphasis* on either side, but not 3 * 4 or snake_case
    r"|^[ \t]*(?:[*+>]|#{1,6})[ \t]+",  # list items and headings
    re.MULTILINE,
)
_SENTENCE_ENDS = tuple(".!?…。！？")
_CLAUSE_ENDS = tuple(",;:—–、")
_CLOSERS = " \t\n\"')]}”’»*_`"
_UNSPOKEN_MARKS = frozenset("\ufe0e\ufe0f\u20e3")
_SPOKEN_SYMBOLS = frozenset("%&@+=#°€$£¥™√≤≥×÷")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text, in code points: [start, end)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase made ready to be spoken.

    `text` is as long as what the client wrote, character for character, with markup, control characters and emoji
    blanked; line ends stay, for an engine to pause at. `words` are the words of what the client wrote, punctuation
    included; a word may have nothing to say.
    """

    text: str
    words: tuple[Span, ...]
    style: str = ""
    """Style or emotion, for a voice that has any; empty: the stream's own."""

    @property
    def is_speakable(self) -> bool:
        """Whether there is anything to say."""
        return is_speakable(self.text)

    def is_word_speakable(self, word: Span) -> bool:
        """Whether this word has anything to say; a dash between two words has not."""
        return is_speakable(self.text[word.start : word.end])


def is_speakable(text: str) -> bool:
    """Return whether `text` holds a letter, a digit or a symbol that has a name."""
    return any(char.isalnum() or char in _SPOKEN_SYMBOLS for char in text)


def ends_sentence(text: str) -> bool:
    """Return whether `text` ends as a sentence does, closing quotes and brackets aside."""
    return text.rstrip(_CLOSERS).endswith(_SENTENCE_ENDS)


def ends_clause(text: str) -> bool:
    """Return whether `text` ends as a clause within a sentence does."""
    return text.rstrip(_CLOSERS).endswith(_CLAUSE_ENDS)


def prepare(raw: str, style: str = "") -> Phrase:
    """Return `raw` as a phrase to speak in `style`."""
    blanked = _MARKUP.sub(lambda match: " " * len(match.group()), raw)
    text = re.sub(r"[\x00-\x09\x0b-\x1f\x7f]", " ", blanked)
    if not text.isascii():
        text = "".join(" " if _is_unspoken(char) else char for char in text)
    return Phrase(text, tuple(Span(*match.span()) for match in _WORD.finditer(raw)), style)


def _is_unspoken(char: str) -> bool:
    category = unicodedata.category(char)
    if category in ("Cc", "Co", "Cs", "Cn"):
        return char != "\n"
    if category == "So":
        return ord(char) >= 0x2190  # arrows, dingbats, emoji; below are ° and ™
    return (category == "Sk" and ord(char) >= 0x1F000) or char in _UNSPOKEN_MARKS


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    source: int
    is_literal: bool


@dataclass(frozen=True, slots=True)
class Substituted:
    """A text in which some words were replaced, and the way back to the text before."""

    text: str
    pieces: tuple[_Piece, ...]

    def source_position(self, position: int) -> int:
        """Return where in the text before the replacement `position` comes from."""
        piece = self.pieces[max(0, bisect_right(self.pieces, position, key=lambda piece: piece.start) - 1)]
        return piece.source + (position - piece.start if piece.is_literal else 0)


class Substitution:
    """Replaces whole words, ignoring case; where two match at one place, the longer wins."""

    def __init__(self, replacements: Iterable[tuple[str, str]]) -> None:
        self._by_word = {word.casefold(): said for word, said in replacements}
        words = sorted(self._by_word, key=len, reverse=True)
        alternatives = "|".join(re.escape(word) for word in words)
        self._pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE) if words else None

    def apply(self, text: str) -> Substituted:
        """Return `text` with its words replaced."""
        if self._pattern is None:
            return Substituted(text, (_Piece(0, 0, True),))
        out: list[str] = []
        pieces: list[_Piece] = []
        at = length = 0
        for match in self._pattern.finditer(text):
            said = self._by_word.get(match.group().casefold(), match.group())
            before = text[at : match.start()]
            pieces += [_Piece(length, at, True), _Piece(length + len(before), match.start(), False)]
            out += [before, said]
            length += len(before) + len(said)
            at = match.end()
        pieces.append(_Piece(length, at, True))
        return Substituted("".join([*out, text[at:]]), tuple(pieces))


def divide(phrase: Phrase, max_chars: int) -> list[Sequence[Span]]:
    """Return the phrase's words in runs of at most `max_chars` of text; a single word that is longer stays whole.

    A run ends after a sentence where there is one, else after a clause, else after a word.
    """
    runs: list[Sequence[Span]] = []
    words = phrase.words
    while words:
        fits = 1
        while fits < len(words) and words[fits].end - words[0].start <= max_chars:
            fits += 1
        if fits < len(words):
            fits = _best_cut(phrase.text, words[:fits])
        runs.append(words[:fits])
        words = words[fits:]
    return runs


def _best_cut(text: str, words: Sequence[Span]) -> int:
    for is_end in (ends_sentence, ends_clause):
        for count in range(len(words), 0, -1):
            if is_end(text[words[count - 1].start : words[count - 1].end]):
                return count
    return len(words)
