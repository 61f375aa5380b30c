"""What a model is told about how long an answer may be that is listened to."""

from __future__ import annotations

from services.orchestrator.wording.english import ENGLISH
from services.orchestrator.wording.languages import language_of
from services.orchestrator.wording.numbers import spell


def guided(prompt: str, tag: str, max_sentences: int) -> str:
    """Return an agent's prompt with the wish for so many sentences behind it, in its language; 0: as it is.

    In a language whose wording is not known, in English.
    """
    if not max_sentences:
        return prompt
    language = language_of(tag) or ENGLISH
    count = spell(language.code, str(max_sentences), language.guidance_form)
    return f"{prompt.rstrip()}\n\n{language.guidance.format(count=count)}"
