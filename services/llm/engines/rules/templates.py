"""Texts with values in them.

{day}                          a slot, as it is spoken: Tuesday
{treatment or appointment}     with words for where it is not known
{result.reference | spell}     a field of the tool's result, letter by letter; also | time and | weekday
{options}                      the values of an offer: eleven o'clock or two o'clock
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from services.llm.engines.rules.times import CLOCK, WEEKDAYS, speak_number, speak_time

RESULT = "result."
MAX_SPOKEN_CHARS = 300
_FIELD = re.compile(r"\{([^{}]*)\}")
_INSIDE = re.compile(r"\s*([a-z][a-z0-9_.]*)\s*(?:\|\s*([a-z]+)\s*)?(?: or ([^|{}]+?)\s*)?")


class TemplateError(ValueError):
    """A text that cannot be read; the error says why."""


class MissingValue(Exception):
    """A value that a text needs is not there, or cannot be spoken."""


@dataclass(frozen=True, slots=True)
class Field:
    """One value in a text."""

    name: str
    speak: Callable[[object], str] | None
    default: str | None


@dataclass(frozen=True, slots=True)
class Template:
    """A text: words and values in turn."""

    parts: tuple[str | Field, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The values it takes."""
        return tuple(part for part in self.parts if isinstance(part, Field))

    def render(self, values: Mapping[str, object]) -> str:
        """Return the text. Raises MissingValue for a value that is not there or cannot be spoken."""
        return "".join(part if isinstance(part, str) else _render(part, values) for part in self.parts)


@lru_cache(maxsize=4096)
def parse_template(source: str) -> Template:
    """Return a text's parts. Raises TemplateError. Only scripts have texts: the cache holds nothing that was said."""
    parts: list[str | Field] = []
    position = 0
    for match in _FIELD.finditer(source):
        inside = _INSIDE.fullmatch(match[1])
        if inside is None:
            raise TemplateError(f"{match[0]} is no value: write {{name}}, {{name | filter}} or {{name or words}}")
        if inside[2] and inside[2] not in FILTERS:
            raise TemplateError(f"{match[0]}: there is no filter {inside[2]!r}, only {', '.join(sorted(FILTERS))}")
        parts.append(source[position : match.start()])
        parts.append(Field(inside[1], FILTERS.get(inside[2] or ""), inside[3]))
        position = match.end()
    parts.append(source[position:])
    if any(isinstance(part, str) and ("{" in part or "}" in part) for part in parts):
        raise TemplateError(f"a brace without its other half in {source!r}")
    return Template(tuple(part for part in parts if part != ""))


def _render(field: Field, values: Mapping[str, object]) -> str:
    value = values.get(field.name)
    if value is None or value in ("", []):
        if field.default is None:
            raise MissingValue(field.name)
        return field.default
    spoken = (field.speak or _plain)(value)
    if len(spoken) > MAX_SPOKEN_CHARS:
        raise MissingValue(f"{field.name} is too long to say")
    return spoken


def _plain(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MissingValue("neither text nor a number")
    return str(value)


def _time(value: object) -> str:
    if not isinstance(value, str) or not CLOCK.fullmatch(value):
        raise MissingValue("no time of day")
    return speak_time(value)


def _weekday(value: object) -> str:
    if not isinstance(value, str) or value.lower() not in WEEKDAYS:
        raise MissingValue("no weekday")
    return value.capitalize()


def _spell(value: object) -> str:
    """WD-1042 -> W D one zero four two."""
    marks = [mark for mark in _plain(value) if mark.isalnum()]
    return " ".join(speak_number(int(mark)) if mark in "0123456789" else mark.upper() for mark in marks)


FILTERS: Mapping[str, Callable[[object], str]] = {"time": _time, "weekday": _weekday, "spell": _spell}


def join_spoken(values: list[str]) -> str:
    """Return "a", "a or b", "a, b or c"."""
    return " or ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)
