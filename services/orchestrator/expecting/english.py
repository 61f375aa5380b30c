"""English."""

from __future__ import annotations

import re

from services.common.expected import Expected
from services.orchestrator.expecting.questions import Questions

_NUMBERED = (
    "account|order|booking|reservation|reference|card|member(?:ship)?|policy|tracking|customer|invoice|serial|case"
)
_LEAD = r"^(?:(?:and|so|okay|ok|great|thanks|sorry|well|then|just to confirm|to confirm),? )*"
_CODES = "zip|post|postal|pin|access|security|confirmation|verification|reference|booking|promo|discount"

ENGLISH = Questions(
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
