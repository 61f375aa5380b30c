"""What a text says as an answer to what the agent asked: a telephone number of three digits is not done. Pure.

The rules are one set for all languages, over a table a language (`services/turn/languages/`). In a language without
one, or where it is not known what was asked, a text is read by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from services.common.expected import Expected
from services.turn.languages import answers_in
from services.turn.languages.answers import AnswerWords
from services.turn.text import Reading, read, tokens_in

LONG_ANSWERS = frozenset(
    {Expected.PHONE_NUMBER, Expected.CODE, Expected.SPELLING, Expected.EMAIL, Expected.NAME, Expected.ADDRESS}
)
"""Answers that are read out in pieces."""
_OF_SIGNS = frozenset(
    {Expected.PHONE_NUMBER, Expected.CODE, Expected.SPELLING, Expected.NUMBER, Expected.DATE_TIME, Expected.ADDRESS}
)
"""Answers in which numbers and letters are counted."""

_CODE_SIGNS, _LONG_CODE_SIGNS = 4, 8
"""Fewer signs are hardly a whole account or order number; more are likely one."""
_NAME_LETTERS = 3
_SHORT_ANSWER = 4
"""Words up to which "yes ..." or "no ..." is the whole answer."""
_SHORT_CHOICE = 3
_ADDRESS = re.compile(r"\S+@[\w-]+(\.[\w-]+)+$")
_INNER_DOT = re.compile(r"(?<=\w)\.(?=\w)")
_DAY, _MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_HALF_DATE = re.compile(rf"(?:^|\s)(?:\d{{4}}-{_MONTH}|{_MONTH}/\d{{4}})$")
"""A year and a month (ISO 8601, or the other way round): the day may come."""
_DAY_AND_MONTH = re.compile(rf"(?:^|\s){_DAY}[./]{_MONTH}$")
_WHOLE_DATE = re.compile(
    rf"(?:^|\s)(?:\d{{4}}-{_MONTH}-{_DAY}|{_DAY}[./-]{_MONTH}[./-](?:\d\d)?\d\d"
    r"|(?:[01]?\d|2[0-3])(?:[:h.][0-5]\d| ?h))$"
)


class _Answer(NamedTuple):
    tokens: list[str]
    """Its words, without fillers."""
    plain: Reading
    """How they read by themselves."""
    text: str
    words: AnswerWords


def read_answer(text: str, expected: Expected, language: str = "en") -> Reading:
    """Return how `text` reads as a whole turn, said in answer to what the agent asked."""
    plain = read(text, language)
    rule = _RULES.get(expected)
    words = answers_in(language)
    if rule is None or plain is Reading.UNKNOWN or words is None:
        return plain
    is_mail = expected is Expected.EMAIL
    said = _without_signs(text, words) if is_mail and words.reads_signs else text
    tokens = [token for token in tokens_in(said, language) if token not in words.fillers]
    if not tokens:
        return plain
    if expected in LONG_ANSWERS:
        if all(token in words.assent for token in tokens):
            return Reading.OPEN  # "sure" to "can I have your number?": it is still to come
        if tokens[-1] in words.goes_on and plain is not Reading.COMPLETE and not _denies(tokens, words):
            return Reading.UNFINISHED
    if is_mail and _ADDRESS.search(text.strip()):
        return Reading.COMPLETE
    if expected in _OF_SIGNS:
        tokens = words.rewritten(tokens)
    return rule(_Answer(tokens, plain, text, words))


def is_begun(text: str, language: str = "en") -> bool:
    """Return whether `text` is the beginning of an answer that is read out: signs of it, or a "sure" before them.

    Any other sentence answers something else: a question in return is whole though no address was told.
    """
    words = answers_in(language)
    if words is None:
        return False
    tokens = [token for token in tokens_in(text, language) if token not in words.fillers]
    signs = words.rewritten(tokens)
    return (
        all(token in words.assent for token in tokens)
        or bool(words.figures_at_end(signs) or words.letters_at_end(signs))
        or any(token in words.at for token in tokens[1:])
    )


def _without_signs(text: str, words: AnswerWords) -> str:
    return _INNER_DOT.sub(f" {words.dot} ", text).replace("@", f" {words.at[0]} ")


def _yes_no(answer: _Answer) -> Reading:
    tokens, plain, words = answer.tokens, answer.plain, answer.words
    if " ".join(tokens) in words.hedged:
        return Reading.COMPLETE
    is_short = tokens[0] in words.yes_no and len(tokens) <= _SHORT_ANSWER
    return Reading.COMPLETE if is_short and plain is Reading.NEUTRAL else plain


def _choice(answer: _Answer) -> Reading:
    is_short = len(answer.tokens) <= _SHORT_CHOICE
    return Reading.COMPLETE if is_short and answer.plain is Reading.NEUTRAL else answer.plain


def _number(answer: _Answer) -> Reading:
    tokens, plain, words = answer.tokens, answer.plain, answer.words
    if plain is Reading.COMPLETE:
        return plain
    is_article = answer.text.rstrip(" .").lower().endswith(words.articles) and words.is_number(tokens[-1])
    if plain is Reading.UNFINISHED and not is_article:
        return plain
    if tokens[-1] in words.open_numbers:
        return Reading.NEUTRAL  # "twenty" may be "twenty five"
    has_number = any(token in words.numbers or token in words.open_numbers or token.isdecimal() for token in tokens)
    return Reading.COMPLETE if has_number else plain


def _phone_number(answer: _Answer) -> Reading:
    digits = answer.words.figures_at_end(answer.tokens)
    if not digits:
        return answer.plain
    least, whole, abroad = answer.words.phone
    if abroad and ("+" in answer.text or "plus" in answer.tokens):
        least, whole = least + abroad, whole + abroad
    if digits < least:
        return Reading.UNFINISHED
    return Reading.COMPLETE if digits >= whole else Reading.OPEN


def _code(answer: _Answer) -> Reading:
    signs = answer.words.signs_at_end(answer.tokens)
    if not signs:
        return answer.plain
    if signs < _CODE_SIGNS:
        return Reading.UNFINISHED
    return Reading.NEUTRAL if signs >= _LONG_CODE_SIGNS else Reading.OPEN


def _name(answer: _Answer) -> Reading:
    if answer.plain is not Reading.NEUTRAL:
        return answer.plain
    names = [token for token in answer.tokens if token not in answer.words.name_lead]
    return Reading.COMPLETE if len(names) >= 2 else answer.plain


def _spelling(answer: _Answer) -> Reading:
    tokens, plain, words = answer.tokens, answer.plain, answer.words
    letters = words.letters_at_end(tokens)
    if letters:
        return Reading.UNFINISHED if letters < _NAME_LETTERS else Reading.OPEN
    return plain if plain is not Reading.NEUTRAL or _denies(tokens, words) else Reading.OPEN


def _email(answer: _Answer) -> Reading:
    tokens, plain, words = answer.tokens, answer.plain, answer.words
    if _denies(tokens, words):
        return plain
    ats = [position for position, token in enumerate(tokens) if position and token in words.at]
    if not ats:
        return max(plain, Reading.OPEN, key=_openness)
    return Reading.COMPLETE if words.dot in tokens[ats[-1] + 2 : -1] else Reading.UNFINISHED


def _date_time(answer: _Answer) -> Reading:
    tokens, plain, words = answer.tokens, answer.plain, answer.words
    if words.reads_signs and (written := _written_date(answer.text)):
        return written
    last = tokens[-1]
    if words.whole_time.fullmatch(" ".join(tokens)):
        return Reading.COMPLETE
    if last in words.months and not any(words.days.fullmatch(token) for token in tokens):
        return Reading.OPEN
    if last in words.broken_dates and plain is Reading.NEUTRAL:
        return Reading.UNFINISHED
    if words.before_day and tokens[-2:-1] and tokens[-2] in words.before_day and words.days.fullmatch(last):
        return Reading.OPEN
    return Reading.OPEN if plain is Reading.NEUTRAL and last in words.half_dates else plain


def _written_date(text: str) -> Reading | None:
    written = text.strip().rstrip(".")
    if not written[-1:].isdecimal() and not written.endswith("h"):
        return None
    if _HALF_DATE.search(written):
        return Reading.OPEN
    if _DAY_AND_MONTH.search(written):
        return Reading.NEUTRAL
    return Reading.COMPLETE if _WHOLE_DATE.search(written) else None


def _address(answer: _Answer) -> Reading:
    tokens, plain, words = answer.tokens, answer.plain, answer.words
    if all(words.is_number(token) for token in tokens):
        return Reading.UNFINISHED if words.is_number_first else Reading.OPEN  # a house number, or a postcode
    if plain is not Reading.NEUTRAL:
        return plain
    is_before_town = bool(words.postcode_figures) and words.figures_at_end(tokens) == words.postcode_figures
    return Reading.OPEN if is_before_town or _ends_in_street(tokens, words) else plain


def _ends_in_street(tokens: list[str], words: AnswerWords) -> bool:
    """Return whether the last that was told is the street, with the house number where it comes after it."""
    last = len(tokens) - 1
    while last >= 0 and not words.is_number_first and (words.is_number(tokens[last]) or words.is_letter(tokens[last])):
        last -= 1
    for position in range(last, max(-1, last - 1 - words.street_name_words), -1):
        if words.streets.fullmatch(tokens[position]):
            return True
        if words.is_number(tokens[position]):
            return False
    return False


def _denies(tokens: list[str], words: AnswerWords) -> bool:
    return any(token in words.denial for token in tokens)


def _openness(reading: Reading) -> int:
    return _BY_OPENNESS.index(reading)


_BY_OPENNESS = (Reading.COMPLETE, Reading.NEUTRAL, Reading.OPEN, Reading.UNFINISHED)
_RULES: Mapping[Expected, Callable[[_Answer], Reading]] = {
    Expected.YES_NO: _yes_no,
    Expected.CHOICE: _choice,
    Expected.NUMBER: _number,
    Expected.PHONE_NUMBER: _phone_number,
    Expected.CODE: _code,
    Expected.NAME: _name,
    Expected.SPELLING: _spelling,
    Expected.EMAIL: _email,
    Expected.DATE_TIME: _date_time,
    Expected.ADDRESS: _address,
}
