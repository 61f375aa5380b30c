"""The languages whose words are read, English apart: a file each, found by its tag. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from services.turn.languages.french import FRENCH
from services.turn.languages.german import GERMAN
from services.turn.languages.spanish import SPANISH
from services.turn.languages.words import LanguageWords

LANGUAGES: Mapping[str, LanguageWords] = {"de": GERMAN, "es": SPANISH, "fr": FRENCH}
"""Primary language subtag to its words."""


def primary(tag: str) -> str:
    """Return the primary subtag of a BCP 47 tag: languages are told apart by it alone."""
    return tag.lower().partition("-")[0]


def words_in(language: str) -> LanguageWords | None:
    """Return the words of the language of a BCP 47 tag; None where they are not known."""
    return LANGUAGES.get(primary(language))
