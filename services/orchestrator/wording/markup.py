# ruff: noqa: RUF001 (marks of other scripts are the subject here)
"""What stands in a text for the eye alone: Markdown, tags, emoji. Found, so that it is not said."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from services.orchestrator.wording.spoken import Edit

FENCE = "```"
"""Opens and closes a block of code, which is not said."""
SPOKEN_SYMBOLS = frozenset("%&@+=#°€$£¥™√≤≥×÷½¼¾→")

_MARKUP = re.compile(
    r"(?P<tag></?[A-Za-z][^<>]{0,200}>)"
    r"|(?P<image>!(?=\[[^\]]*\]\())"
    r"|(?P<open>\[(?=[^\]]*\]\())|(?P<address>\]\([^()\s]{1,500}(?:\s+\"[^\"]*\")?\))"
    r"|(?P<tick>`+|~~)"
    r"|(?P<emphasis>(?<!\w)[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w))"  # but not 3 * 4 or snake_case
    r"|(?P<rule>^[ \t]*(?:[-*_][ \t]*){3,}$)"
    r"|(?P<item>^[ \t]*(?:[-*+•>]|#{1,6})[ \t]+)"
    r"|(?P<bar>[ \t]*\|[ \t:|-]*)",
    re.MULTILINE,
)
_MARKS = re.compile(r"[<\[`~*_|>#•]|^[ \t]*[-+]", re.MULTILINE)
"""Without any of these a text has none of that."""
_NUMBERED = re.compile(r"^[ \t]*\d{1,2}([.)])(?=\s)")
_UNSPOKEN_MARKS = frozenset("\u200d\ufe0e\ufe0f\u20e3")
_PUNCTUATION = frozenset(".,;:!?…。！？、")


def is_speakable(text: str) -> bool:
    """Return whether `text` holds a letter, a digit or a symbol that has a name."""
    return any(char.isalnum() or char in SPOKEN_SYMBOLS for char in text)


def markup_edits(text: str) -> Iterator[Edit]:
    """Yield what is not said of a phrase, in order, none over another."""
    found: list[Edit] = []
    if _MARKS.search(text):
        found += [Edit(*match.span(), _instead(match, text)) for match in _MARKUP.finditer(text)]
    if numbered := _NUMBERED.match(text):
        found.append(Edit(numbered.start(1), numbered.end(1), ","))
    if not text.isascii():
        found += _emoji(text)
    at = 0
    for edit in sorted(found):
        if edit.start >= at:
            yield edit
            at = edit.end


def _instead(match: re.Match[str], text: str) -> str:
    if match.lastgroup != "bar":
        return ""
    inside = is_speakable(text[: match.start()]) and is_speakable(text[match.end() :])
    return ", " if inside else ""


def _emoji(text: str) -> Iterator[Edit]:
    """Yield the stretches that no voice can say, each with the space before it where nothing or a mark follows."""
    at = 0
    while at < len(text):
        start = at
        while at < len(text) and _is_unspoken(text[at]):
            at += 1
        if at == start:
            at += 1
            continue
        follows = text[at : at + 1]
        is_loose = start > 0 and text[start - 1] == " " and (not follows or follows in _PUNCTUATION or follows == " ")
        yield Edit(start - is_loose, at, "")


def _is_unspoken(char: str) -> bool:
    if char < "\x80":
        return (char < " " and char != "\n") or char == "\x7f"
    category = unicodedata.category(char)
    if category in ("Cc", "Cs", "Cn"):
        return True
    if category == "So":
        return ord(char) >= 0x2190  # arrows, dingbats, emoji; below are ° and ™
    return (category == "Sk" and ord(char) >= 0x1F000) or char in _UNSPOKEN_MARKS
