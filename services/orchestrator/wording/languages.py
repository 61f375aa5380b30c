"""The languages whose wording is known, by tag."""

from __future__ import annotations

from services.common.language_tags import primary_subtag
from services.orchestrator.wording.english import ENGLISH
from services.orchestrator.wording.french import FRENCH
from services.orchestrator.wording.german import GERMAN
from services.orchestrator.wording.language import Language
from services.orchestrator.wording.spanish import SPANISH

_LANGUAGES = {language.code: language for language in (ENGLISH, GERMAN, SPANISH, FRENCH)}
LANGUAGES = tuple(sorted(_LANGUAGES))
"""ISO 639-1 codes. Text of any other language goes to the voice as it is written, its markup aside."""


def language_of(tag: str) -> Language | None:
    """Return the language of a BCP 47 tag; None where it is not known, or the tag is empty or `auto`."""
    return _LANGUAGES.get(primary_subtag(tag))
