"""What kind of answer the agent's last words ask for, so that a telephone number is waited for to its end. Pure.

Read off the last question in what was heard of the agent. A language has a table of its own; one without says only
that anything may come.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from services.orchestrator.default_sentences import primary_subtag


class Expected(Enum):
    """A kind of answer. Values are those of voice.turn.v1.ExpectedAnswer."""

    UNSPECIFIED = 0
    ANYTHING = 1
    YES_NO = 2
    CHOICE = 3
    NUMBER = 4
    PHONE_NUMBER = 5
    CODE = 6
    NAME = 7
    SPELLING = 8
    EMAIL = 9
    DATE_TIME = 10
    ADDRESS = 11


class _Language(NamedTuple):
    """How one language asks. All patterns are of lower case."""

    asks_for: re.Pattern[str]
    """Asks for something to be told: what is looked for in `things`."""
    things: tuple[tuple[Expected, re.Pattern[str]], ...]
    """What may be asked for, the narrower before the wider."""
    confirms: re.Pattern[str]
    """Asks whether something is so, and for nothing to be told."""
    yes_no: re.Pattern[str]
    """A question that yes or no answers."""
    choice: re.Pattern[str]
    """Names what to choose from."""


_NUMBERED = (
    "account|order|booking|reservation|reference|card|member(?:ship)?|policy|tracking|customer|invoice|serial|case"
)
_LEAD = r"^(?:(?:and|so|okay|ok|great|thanks|sorry|well|then|just to confirm|to confirm),? )*"
_CODES = "zip|post|postal|pin|access|security|confirmation|verification|reference|booking|promo|discount"
_ENGLISH = _Language(
    asks_for=re.compile(
        r"\b(?:what|which|who|when|where|how)\b.*\?$"
        r"|\b(?:can|could|may|might) (?:i|we) (?:please )?(?:have|get|take|ask|know)\b"
        r"|\b(?:can|could|would|will) you (?:please )?(?:tell|give|spell|read|say|share|let|repeat|confirm)\b"
        r"|\bwould you mind (?:telling|giving|spelling|repeating|sharing)\b"
        r"|\b(?:tell|give) (?:me|us)\b|\bplease (?:say|tell|give|spell|read|enter|repeat)\b"
        r"|^(?:and )?your\b.*\?$|\bspell\b"
        r"|\bi(?:'ll| will)? (?:just )?need\b"
    ),
    things=(
        (Expected.SPELLING, re.compile(r"\bspell")),
        (Expected.EMAIL, re.compile(r"\be-?mail\b")),
        (Expected.PHONE_NUMBER, re.compile(r"\b(?:tele)?phone\b|\b(?:mobile|cell|callback|contact)(?: phone)? number\b"
                                           r"|\bnumber\b.*\b(?:call|reach|ring)\b"
                                           r"|\bbest number\b|\breach you (?:on|at)\b")),
        (Expected.CODE, re.compile(rf"\b(?:{_NUMBERED}) (?:number|id)\b|\b(?:{_CODES}) ?codes?\b|\bpostcode\b|\bpin\b"
                                   r"|\blast (?:four|three|six) digits\b|\bdigits\b")),
        (Expected.ADDRESS, re.compile(r"\baddress\b|\bwhere do you live\b")),
        (Expected.DATE_TIME, re.compile(r"\bwhen\b|\bwhat (?:day|date|time)|\bwhich (?:day|date)|\bdate of birth\b"
                                        r"|\bbirthday\b|\b(?:the|your|a) (?:date|time|day)\b")),
        (Expected.NAME, re.compile(r"\bnames?\b|\bwho am i (?:speaking|talking)|\bwho is (?:this|calling|speaking)")),
        (Expected.NUMBER, re.compile(r"\bhow (?:many|old|much|large|big)\b|\bwhat (?:size|age|amount|quantity)\b")),
    ),
    confirms=re.compile(rf"{_LEAD}(?:is|was|are|were|do|does|did|should|shall|would you like)\b"),
    yes_no=re.compile(
        rf"{_LEAD}(?:is|are|am|was|were|do|does|did|has|have|had|can|could|would|will|shall|should|may)\b"
        rf"|{_LEAD}(?:is|are|was|do|does|did|have|has|would|could)n't\b"
        r"|\b(?:right|correct|okay|ok|yes|is it|isn't it|are you|shall i|shall we)\?$"
    ),
    choice=re.compile(r"\bor\b(?! no\b| not\b)"),
)  # fmt: skip
_LANGUAGES: Mapping[str, _Language] = {"en": _ENGLISH}

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def expected_answer(said: str, language: str) -> Expected:
    """Return what `said`, what the caller heard of the agent's turn, asks for; `language`: its BCP 47 tag."""
    rules = _LANGUAGES.get(primary_subtag(language) or "en")
    if rules is None or not said.strip():
        return Expected.UNSPECIFIED
    sentences = _SENTENCE_END.split(said.strip().lower().replace("\u2019", "'"))
    question = next((one for one in reversed(sentences) if one.endswith("?")), sentences[-1])
    return _asked(question, rules)


def _asked(question: str, rules: _Language) -> Expected:
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
