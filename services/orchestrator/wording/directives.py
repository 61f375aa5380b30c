"""What a model may say about how it is to be said: a small set of tags, taken out of the stream and never spoken.

    <emotion value="cheerful"/>                     style of what follows, where the voice has styles
    <break time="300ms"/>                           a pause; also "1.5s"; at most MAX_PAUSE_MS
    <spell>BK4471</spell>                           letter by letter, figure by figure
    <say-as interpret-as="digits">4471</say-as>     characters, digits, telephone, cardinal or ordinal

The names are those of SSML (w3.org/TR/speech-synthesis11) where it has them; `emotion` and `spell` are those that
hosted voices have beside it. Other tags are left in the text, where they count as markup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

MAX_PAUSE_MS = 5_000
"""The synthesis service refuses a longer one, and with it the stream."""
MAX_TAG_CHARS = 120
"""What begins like a tag and is longer than this is none."""

SAY_AS = {"characters": "\ue000", "digits": "\ue001", "telephone": "\ue002", "cardinal": "\ue003", "ordinal": "\ue004"}
"""By SSML's interpret-as, the character that opens such a stretch in the text that is passed on."""
SAY_AS_END = "\ue00f"
"""What closes it."""
_MARKS = re.compile("[\ue000-\ue00f]")
_SYNONYMS = {"spell-out": "characters", "verbatim": "characters", "number": "cardinal"}

_NAMES = ("emotion", "break", "spell", "say-as")
_TAG = re.compile(rf"<(/?)({'|'.join(_NAMES)})\b([^<>]{{0,{MAX_TAG_CHARS}}})>", re.IGNORECASE)
_BEGUN = re.compile(rf"</?(?:[A-Za-z][^<>\n]{{0,{MAX_TAG_CHARS}}})?$")
_NAME = re.compile(r"</?([A-Za-z-]*)")
_ATTRIBUTE = re.compile(r"""([A-Za-z-]+)\s*=\s*["']([^"']*)["']""")
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s)", re.IGNORECASE)
_STYLE = re.compile(r"[\w -]{1,64}")


@dataclass(frozen=True, slots=True)
class Style:
    """From here on, this style; empty: the voice's own."""

    name: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence here."""

    ms: int


Item: TypeAlias = str | Style | Pause


class Directives:
    """Takes the tags out of a stream of deltas. One for each reply."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, delta: str) -> list[Item]:
        """Add text; return text and directives in order. What may be the beginning of a tag is held back."""
        if "<" not in delta and not self._held:
            return [_MARKS.sub("", delta)]
        text = self._held + delta
        begun = _BEGUN.search(text)
        self._held = begun.group() if begun else ""
        return _items(text[: begun.start()] if begun else text)

    def flush(self) -> list[Item]:
        """Return what was held back and turned out to be no tag; a tag of ours that broke off is dropped."""
        held, self._held = self._held, ""
        found = _NAME.match(held)
        is_ours = found is not None and bool(found[1]) and any(name.startswith(found[1].lower()) for name in _NAMES)
        return [held] if held and not is_ours else []


def _items(text: str) -> list[Item]:
    items: list[Item] = []
    at = 0
    for match in _TAG.finditer(text):
        items += [_MARKS.sub("", text[at : match.start()]), _item(match)]
        at = match.end()
    items.append(_MARKS.sub("", text[at:]))
    return [item for item in items if item != ""]


def _item(tag: re.Match[str]) -> Item:
    closes, name = bool(tag.group(1)), tag.group(2).lower()
    attributes = {key.lower(): value.strip() for key, value in _ATTRIBUTE.findall(tag.group(3))}
    if name in ("spell", "say-as"):
        kind = "characters" if name == "spell" else attributes.get("interpret-as", "").lower()
        return SAY_AS_END if closes else SAY_AS.get(_SYNONYMS.get(kind, kind), "")
    if name == "emotion":
        style = "" if closes else attributes.get("value", attributes.get("name", ""))
        return Style(style if _STYLE.fullmatch(style) else "")
    found = None if closes else _TIME.fullmatch(attributes.get("time", ""))
    if found is None:
        return ""
    ms = float(found.group(1)) * (1000 if found.group(2).lower() == "s" else 1)
    return Pause(min(MAX_PAUSE_MS, round(ms)))
