"""What whisper-words can understand."""

from __future__ import annotations

PHRASES: dict[str, tuple[str, ...]] = {
    "en": (
        *("what are your opening hours", "how much is a cleaning", "yes please", "no thank you", "order status"),
        *("hello", "stop", "repeat please", "agent please", "is monday open", "one two three four five six"),
        *("monday at three", "tuesday at four", "my name is smith"),
    ),
    "de": ("ja bitte", "nein danke", "guten tag", "eins zwei drei", "auf wiedersehen"),
}
"""Phrases by language, as people say them; any of their words may come in any order too."""

WORDS: dict[str, tuple[str, ...]] = {
    language: tuple(dict.fromkeys(word for phrase in phrases for word in phrase.split()))
    for language, phrases in PHRASES.items()
}
"""The words of each language, in the order in which they first come."""

SPELLINGS = {"smith": "smyth"}
"""A word that sounds like another: it is written so only where the prompt (key terms) holds it so."""

ALL_WORDS = (*(word for words in WORDS.values() for word in words), *SPELLINGS.values())
