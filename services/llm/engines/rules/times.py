"""Times of day and weekdays as people say them, and back into words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TEENS = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
NUMBERS = {word: value for value, word in enumerate((*_ONES, *_TEENS), 1)} | _TENS
_HOMOPHONES = {"to": 2, "too": 2, "for": 4, "ate": 8, "won": 1}
_AT = ("at", "around", "about", "maybe", "by", "from")
_NOT_BEFORE_HOUR = ("first", "second", "third", "last", "that", "this", "the", "which", "later", "earlier", "other")
"""The "one" of "the first one" is no hour."""
_FRACTIONS = {"quarter": 15, "half": 30, "five": 5, "ten": 10, "twenty": 20}
_HALF_DAYS = {"am": "am", "pm": "pm", "morning": "am", "afternoon": "pm", "evening": "pm", "tonight": "pm"}
_DAY_MINUTES = 24 * 60
TIME_WORDS = frozenset(
    {*NUMBERS, *_FRACTIONS, *_HALF_DAYS, "oclock", "past", "noon", "midday", "at", "around", "about", "oh"}
)


def minutes_of(clock: str) -> int:
    """Return the minutes since midnight of "HH:MM". Raises ValueError."""
    match = CLOCK.fullmatch(clock)
    if match is None:
        raise ValueError(f"{clock!r} is no time of day: write HH:MM")
    return int(match[1]) * 60 + int(match[2])


def clock_of(minutes: int) -> str:
    """Return "HH:MM"."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def find_time(words: Sequence[str], opens: str, closes: str, is_expected: bool) -> str | None:
    """Return the last time of day in `words` as "HH:MM", or None.

    A time without am, pm or a part of the day is taken within opening hours: "half past two" is 14:30 where the house
    opens at eight. A number alone counts only after "at" or the like, or where a time `is_expected`.
    """
    found: str | None = None
    position = 0
    while position < len(words):
        parsed = _time_at(words, position, is_expected)
        if parsed is None:
            position += 1
            continue
        end, minutes, is_exact = parsed
        half_day = _half_day_near(words, position, end)
        if not is_exact:
            minutes = _resolve(minutes, half_day, minutes_of(opens), minutes_of(closes))
        found = clock_of(minutes)
        position = end
    return found


def _time_at(words: Sequence[str], position: int, is_expected: bool) -> tuple[int, int, bool] | None:
    """Return (end, minutes, whether the hour is of 24) of a time that starts at `position`."""
    word = words[position]
    if word in ("noon", "midday"):
        return position + 1, 12 * 60, True
    if CLOCK.fullmatch(word):
        minutes = minutes_of(word)
        return position + 1, minutes, minutes >= 13 * 60 or word.startswith("0")
    return _fraction_at(words, position) or _hour_at(words, position, is_expected)


def _fraction_at(words: Sequence[str], position: int) -> tuple[int, int, bool] | None:
    """Read "half past two", "quarter to four", "twenty past nine", "twenty five to three"."""
    amount = _FRACTIONS.get(words[position])
    end = position + 1
    if amount == 20 and _at(words, end) == "five":
        amount, end = 25, end + 1
    if amount is not None and _at(words, end) == "minutes":
        end += 1
    direction = _at(words, end)
    if amount is None or direction not in ("past", "after", "to", "before", "till"):
        return None
    hour = _number(_at(words, end + 1)) or _HOMOPHONES.get(_at(words, end + 1))
    if hour is None or hour > 12:
        return None
    minutes = hour * 60 + (amount if direction in ("past", "after") else -amount)
    return end + 2 + (_at(words, end + 2) == "oclock"), minutes % _DAY_MINUTES, False


def _hour_at(words: Sequence[str], position: int, is_expected: bool) -> tuple[int, int, bool] | None:
    """Read "ten", "ten oclock", "ten thirty", "ten oh five", "10 30", "fourteen thirty"."""
    after_at = position > 0 and words[position - 1] in _AT
    hour = _number(words[position])
    if hour is None and after_at:
        hour = _HOMOPHONES.get(words[position])
    if hour is None or hour > 23:
        return None
    following = _at(words, position + 1)
    if following == "oclock":
        return position + 2, hour * 60, hour > 12
    minute = _minute_at(words, position + 1)
    if minute is not None:
        return minute[0], hour * 60 + minute[1], hour > 12
    is_alone_enough = is_expected and _at(words, position - 1) not in _NOT_BEFORE_HOUR
    if after_at or is_alone_enough or _half_day_near(words, position, position + 1):
        return position + 1, hour * 60, hour > 12
    return None


def _minute_at(words: Sequence[str], position: int) -> tuple[int, int] | None:
    """Return (end, minute) of "thirty", "forty five", "oh five", "30"."""
    word = _at(words, position)
    if word in ("oh", "o", "zero"):
        ones = _number(_at(words, position + 1))
        return (position + 2, ones) if ones is not None and ones < 10 else None
    value = _number(word)
    if value is None or value >= 60 or value < 10:
        return None
    if word in _TENS:
        ones = _number(_at(words, position + 1))
        if ones is not None and ones < 10:
            return position + 2, value + ones
    return position + 1, value


def _half_day_near(words: Sequence[str], start: int, end: int) -> str | None:
    """Return am or pm from "ten am", "ten in the morning", "in the afternoon at two", "tomorrow morning at nine"."""
    after = [word for word in words[end : end + 3] if word not in ("in", "the", "this")]
    if after and after[0] in _HALF_DAYS:
        return _HALF_DAYS[after[0]]
    before = [word for word in words[max(0, start - 3) : start] if word not in ("at", "around", "about")]
    return _HALF_DAYS.get(before[-1]) if before else None


def _resolve(minutes: int, half_day: str | None, opens: int, closes: int) -> int:
    """Return the time on a 24-hour clock: by am or pm if said, else whichever is nearer to opening hours."""
    morning = minutes % (12 * 60)
    if half_day == "am":
        return morning
    afternoon = morning + 12 * 60
    if half_day == "pm":
        return afternoon
    return min((morning, afternoon), key=lambda moment: max(opens - moment, moment - closes, 0))


def find_weekday(words: Sequence[str], today: date) -> str | None:
    """Return the last weekday in `words`, lower case, or None; "today" and "tomorrow" count from `today`."""
    found: str | None = None
    for index, word in enumerate(words):
        name = word.removesuffix("s") if word.removesuffix("s") in WEEKDAYS else word
        if name in WEEKDAYS:
            found = name
        elif word in ("today", "tonight"):
            found = WEEKDAYS[today.weekday()]
        elif word == "tomorrow":
            days = 2 if tuple(words[max(0, index - 3) : index])[-2:] == ("day", "after") else 1
            found = WEEKDAYS[(today.weekday() + days) % 7]
        elif word in ("morning", "afternoon", "evening") and index and words[index - 1] == "this":
            found = WEEKDAYS[today.weekday()]
    return found


def speak_time(clock: str) -> str:
    """Return "HH:MM" in words: 10:30 -> ten thirty, 11:00 -> eleven o'clock, 14:05 -> two oh five, 12:00 -> noon."""
    hour, minute = divmod(minutes_of(clock), 60)
    if (hour, minute) == (12, 0):
        return "noon"
    spoken_hour = _ONES[(hour - 1) % 12]
    if minute == 0:
        return f"{spoken_hour} o'clock"
    return f"{spoken_hour} oh {_ONES[minute - 1]}" if minute < 10 else f"{spoken_hour} {speak_number(minute)}"


def speak_number(value: int) -> str:
    """Return a number from 0 to 99 in words."""
    if value == 0:
        return "zero"
    if value < 20:
        return (*_ONES, *_TEENS)[value - 1]
    tens = next(word for word, amount in {**_TENS, **_HIGH_TENS}.items() if amount == value // 10 * 10)
    return f"{tens} {_ONES[value % 10 - 1]}" if value % 10 else tens


_HIGH_TENS = {"sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}


def _at(words: Sequence[str], position: int) -> str:
    return words[position] if 0 <= position < len(words) else ""


def _number(word: str) -> int | None:
    if word.isdigit() and len(word) <= 2:
        return int(word)
    return NUMBERS.get(word)
