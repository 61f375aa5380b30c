"""The languages whose words are read: a file each, found by its tag. Pure.

English has rules of its own for texts as such (`services/turn/text.py`), so of it there is only how it answers.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.common.language_tags import primary_subtag
from services.turn.languages.answers import AnswerWords
from services.turn.languages.english import ENGLISH_ANSWERS
from services.turn.languages.french import FRENCH, FRENCH_ANSWERS
from services.turn.languages.german import GERMAN, GERMAN_ANSWERS
from services.turn.languages.spanish import SPANISH, SPANISH_ANSWERS
from services.turn.languages.words import LanguageWords

LANGUAGES: Mapping[str, LanguageWords] = {"de": GERMAN, "es": SPANISH, "fr": FRENCH}
"""Primary language subtag to its words."""
ANSWERS: Mapping[str, AnswerWords] = {
    "": ENGLISH_ANSWERS,
    "en": ENGLISH_ANSWERS,
    "de": GERMAN_ANSWERS,
    "es": SPANISH_ANSWERS,
    "fr": FRENCH_ANSWERS,
}
"""Primary language subtag to how it answers; no language is English."""


def words_in(language: str) -> LanguageWords | None:
    """Return the words of the language of a BCP 47 tag; None where they are not known."""
    return LANGUAGES.get(primary_subtag(language))


def answers_in(language: str) -> AnswerWords | None:
    """Return how the language of a BCP 47 tag answers; None where it is not known."""
    return ANSWERS.get(primary_subtag(language))
