"""Cuts a stream of text deltas into phrases that a voice can speak: early, but where a voice would break."""

from __future__ import annotations

import re

CLAUSE_MIN_CHARS = 40
"""A clause end (comma, semicolon, colon, dash) breaks a phrase at least this long."""
FORCED_CHARS = 80
"""Without any boundary, a phrase breaks at the last space before this length."""

_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*(?=\s|$)|[。！？]+|\n+")  # noqa: RUF001 - CJK
_CLAUSE_END = re.compile("[,;:\u2013\u2014](?=\\s)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|no|vs|etc|e\.g|i\.e|a\.m|p\.m|approx|inc|ltd|co|jr|sr)|\b[A-Z]|\d)\.$", re.IGNORECASE
)


class PhraseChunker:
    """Collects deltas, gives phrases. One for each reply."""

    def __init__(self) -> None:
        self._text = ""

    def push(self, delta: str) -> list[str]:
        """Add text; return the phrases that are now whole, in order, stripped."""
        self._text += delta
        phrases = []
        while (end := _boundary(self._text)) is not None:
            phrase, self._text = self._text[:end].strip(), self._text[end:].lstrip()
            if phrase:
                phrases.append(phrase)
        return phrases

    def flush(self) -> str:
        """Return what is left, stripped; empty where nothing is."""
        rest, self._text = self._text.strip(), ""
        return rest


def _boundary(text: str) -> int | None:
    sentence = _sentence_end(text)
    if sentence is not None and sentence <= FORCED_CHARS:
        return sentence
    for match in _CLAUSE_END.finditer(text):
        if match.end() >= CLAUSE_MIN_CHARS:
            return match.end() if sentence is None else min(match.end(), sentence)
    if len(text) >= FORCED_CHARS:
        cut = text.rfind(" ", 1, FORCED_CHARS)
        return cut if cut > 0 else FORCED_CHARS
    return None


def _sentence_end(text: str) -> int | None:
    for match in _SENTENCE_END.finditer(text):
        if not match.group().startswith("\n") and _is_open(text, match.end()):
            continue
        if text[: match.end()].strip():
            return match.end()
    return None


def _is_open(text: str, end: int) -> bool:
    """Whether a full stop at `end` may not end the sentence: an abbreviation, an initial, a number that goes on."""
    before = text[:end]
    if not before.endswith("."):
        return False
    if not _ABBREVIATION.search(before):
        return False
    rest = text[end:].lstrip()
    if before[-2:-1].isdigit():  # "10." may become "10.30": wait for what follows, then it was a sentence end
        return not rest
    return True
