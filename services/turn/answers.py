"""What a text says as an answer to what the agent asked: a telephone number of three digits is not done. Pure.

English has rules; in another language, or where it is not known what was asked, a text is read by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from services.turn.events import Expected
from services.turn.languages.words import listed
from services.turn.text import (
    FILLERS,
    Reading,
    digits_at_end,
    digits_in,
    is_english,
    is_letter,
    letters_at_end,
    read,
    tokens_of,
)

LONG_ANSWERS = frozenset(
    {Expected.PHONE_NUMBER, Expected.CODE, Expected.SPELLING, Expected.EMAIL, Expected.NAME, Expected.ADDRESS}
)
"""Answers that are read out in pieces."""

_LOCAL_DIGITS, _WHOLE_DIGITS = 7, 10
"""A telephone number without and with its area code (North American Numbering Plan). ITU-T E.164 allows up to 15."""
_CODE_SIGNS, _LONG_CODE_SIGNS = 4, 8
"""Fewer signs are hardly a whole account or order number; more are likely one."""
_NAME_LETTERS = 3
_SHORT_ANSWER = 4
"""Words up to which "yes ..." or "no ..." is the whole answer."""
_SHORT_CHOICE = 3

_YES_NO = listed("yes no yeah yep yup nope nah okay ok sure right correct exactly absolutely definitely")
_HEDGED = frozenset(
    {"not really", "i guess", "i guess so", "maybe", "probably", "not yet", "i believe so", "it does", "they are",
     "not at all", "i suppose", "sometimes", "both", "neither", "all good", "that works", "go ahead", "i can", "it was",
     "i think so", "not today", "not now"}
)  # fmt: skip
_ASSENT = _YES_NO - {"no", "nope", "nah"} | {"hi", "hello", "of", "course", "alright", "great", "thanks"}
_DENIAL = listed("no nope don't haven't can't cannot not forgot")
_NAME_LEAD = listed("yes yeah sure okay it's this is my name the i'm i am and under for")
_TENS = listed("twenty thirty forty fifty sixty seventy eighty ninety hundred thousand")
_UNITS = listed(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen couple"
)
_MONTHS = listed("january february march april may june july august september october november december")
_HALF_DATES = frozenset({"nineteen", "twenty", "thirty", "half", "quarter"})
_WHOLE_TIMES = listed("am pm o'clock noon midnight tonight asap anytime whenever")
_STREETS = listed("street road avenue lane drive square boulevard court place way")
_ADDRESS = re.compile(r"\S+@[\w-]+(\.[\w-]+)+$")


def read_answer(text: str, expected: Expected, language: str = "en") -> Reading:
    """Return how `text` reads as a whole turn, said in answer to what the agent asked."""
    plain = read(text, language)
    rule = _RULES.get(expected)
    if rule is None or plain is Reading.UNKNOWN or not is_english(language):
        return plain
    tokens = [token for token in tokens_of(text) if token not in FILLERS]
    if not tokens:
        return plain
    if expected in LONG_ANSWERS and all(token in _ASSENT for token in tokens):
        return Reading.OPEN  # "sure" to "can I have your number?": it is still to come
    if expected is Expected.EMAIL and _ADDRESS.search(text.strip()):
        return Reading.COMPLETE
    return rule(tokens, plain)


def is_begun(text: str) -> bool:
    """Return whether `text` is the beginning of an answer that is read out: signs of it, or a "sure" before them.

    Any other sentence answers something else: a question in return is whole though no address was told.
    """
    tokens = [token for token in tokens_of(text) if token not in FILLERS]
    return (
        all(token in _ASSENT for token in tokens)
        or bool(digits_at_end(tokens) or letters_at_end(tokens))
        or "at" in tokens[1:]
    )


def _yes_no(tokens: list[str], plain: Reading) -> Reading:
    if " ".join(tokens) in _HEDGED:
        return Reading.COMPLETE
    is_short = tokens[0] in _YES_NO and len(tokens) <= _SHORT_ANSWER
    return Reading.COMPLETE if is_short and plain is Reading.NEUTRAL else plain


def _choice(tokens: list[str], plain: Reading) -> Reading:
    return Reading.COMPLETE if plain is Reading.NEUTRAL and len(tokens) <= _SHORT_CHOICE else plain


def _number(tokens: list[str], plain: Reading) -> Reading:
    if plain in (Reading.UNFINISHED, Reading.COMPLETE):
        return plain
    if tokens[-1] in _TENS:
        return Reading.NEUTRAL  # "twenty" may be "twenty five"
    has_number = any(token in _UNITS or token in _TENS or token.isdecimal() for token in tokens)
    return Reading.COMPLETE if has_number else plain


def _phone_number(tokens: list[str], plain: Reading) -> Reading:
    digits = digits_at_end(tokens)
    if not digits:
        return plain
    if digits < _LOCAL_DIGITS:
        return Reading.UNFINISHED
    return Reading.COMPLETE if digits >= _WHOLE_DIGITS else Reading.OPEN


def _code(tokens: list[str], plain: Reading) -> Reading:
    signs = _signs_at_end(tokens)
    if not signs:
        return plain
    if signs < _CODE_SIGNS:
        return Reading.UNFINISHED
    return Reading.NEUTRAL if signs >= _LONG_CODE_SIGNS else Reading.OPEN


def _name(tokens: list[str], plain: Reading) -> Reading:
    if plain is not Reading.NEUTRAL:
        return plain
    names = [token for token in tokens if token not in _NAME_LEAD]
    return Reading.COMPLETE if len(names) >= 2 else plain


def _spelling(tokens: list[str], plain: Reading) -> Reading:
    letters = letters_at_end(tokens)
    if letters:
        return Reading.UNFINISHED if letters < _NAME_LETTERS else Reading.OPEN
    return plain if plain is not Reading.NEUTRAL or _denies(tokens) else Reading.OPEN


def _email(tokens: list[str], plain: Reading) -> Reading:
    if _denies(tokens):
        return plain
    if "at" not in tokens[1:]:
        return max(plain, Reading.OPEN, key=_openness)
    domain = tokens[len(tokens) - tokens[::-1].index("at") :]
    return Reading.COMPLETE if "dot" in domain[1:-1] else Reading.UNFINISHED


def _date_time(tokens: list[str], plain: Reading) -> Reading:
    last = tokens[-1]
    if last in _WHOLE_TIMES and tokens[0] != "i":  # "ten am", not "i am"
        return Reading.COMPLETE
    if last in _MONTHS and not any(_is_ordinal(token) for token in tokens):
        return Reading.OPEN
    return Reading.OPEN if plain is Reading.NEUTRAL and last in _HALF_DATES else plain


def _address(tokens: list[str], plain: Reading) -> Reading:
    if all(digits_in(token) or token in _UNITS or token in _TENS for token in tokens):
        return Reading.UNFINISHED  # a house number
    return Reading.OPEN if plain is Reading.NEUTRAL and tokens[-1] in _STREETS else plain


def _signs_at_end(tokens: list[str]) -> int:
    count = 0
    for token in reversed(tokens):
        signs = digits_in(token) or int(is_letter(token))
        if not signs:
            break
        count += signs
    return count


def _denies(tokens: list[str]) -> bool:
    return any(token in _DENIAL for token in tokens)


def _is_ordinal(token: str) -> bool:
    return token.isdecimal() or token in _ORDINALS or token.endswith("th") or token[:-2].isdecimal()


def _openness(reading: Reading) -> int:
    return _BY_OPENNESS.index(reading)


_ORDINALS = listed("first second third thirtieth twenty-first")
_BY_OPENNESS = (Reading.COMPLETE, Reading.NEUTRAL, Reading.OPEN, Reading.UNFINISHED)
_RULES: Mapping[Expected, Callable[[list[str], Reading], Reading]] = {
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
