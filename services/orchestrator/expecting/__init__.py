"""What kind of answer the agent's last words ask for, so that a telephone number is waited for to its end. Pure.

Read off the last question in what was heard of the agent. A language has a table of its own, a file each; one without
says only that anything may come.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.common.expected import Expected
from services.common.language_tags import primary_subtag
from services.orchestrator.expecting.english import ENGLISH
from services.orchestrator.expecting.french import FRENCH
from services.orchestrator.expecting.german import GERMAN
from services.orchestrator.expecting.questions import Questions
from services.orchestrator.expecting.spanish import SPANISH

__all__ = ["LANGUAGES", "Expected", "expected_answer"]

LANGUAGES: Mapping[str, Questions] = {"": ENGLISH, "en": ENGLISH, "de": GERMAN, "es": SPANISH, "fr": FRENCH}
"""Primary language subtag to how it asks; no language is English."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def expected_answer(said: str, language: str) -> Expected:
    """Return what `said`, what the caller heard of the agent's turn, asks for; `language`: its BCP 47 tag."""
    rules = LANGUAGES.get(primary_subtag(language))
    if rules is None or not said.strip():
        return Expected.UNSPECIFIED
    sentences = _SENTENCE_END.split(said.strip().lower().replace("\u2019", "'"))
    question = next((one for one in reversed(sentences) if one.endswith("?")), sentences[-1])
    return _asked(question, rules)


def _asked(question: str, rules: Questions) -> Expected:
    is_told = rules.asks_for.search(question) is not None and rules.confirms.search(question) is None
    if is_told:
        for expected, thing in rules.things:
            if thing.search(question):
                return expected
    if not question.endswith("?"):
        return Expected.ANYTHING
    if rules.choice.search(question):
        return Expected.CHOICE
    return Expected.YES_NO if not is_told and rules.yes_no.search(question) else Expected.ANYTHING
