"""What the wording of a language consists of: words, and the few ways of saying that are no mere words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.orchestrator.wording.numbers import CARDINAL, spell


def words(text: str) -> frozenset[str]:
    """Return the words of `text`."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Noun:
    """What is counted."""

    one: str
    many: str
    form: str = CARDINAL
    """Form of the number before it, as `spell` takes it."""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency and its hundredth."""

    unit: Noun
    hundredth: Noun | None = None


@dataclass(frozen=True, slots=True)
class Date:
    """A day as it was written in figures."""

    day: int
    month: int
    year: str = ""


@dataclass(frozen=True, slots=True)
class Signs:
    """What signs are called."""

    point: str
    minus: str
    percent: str
    to: str
    """Between the ends of a range."""
    ampersand: str
    at: str
    dot: str
    slash: str
    dash: str
    underscore: str
    plus: str
    equals: str
    times: str
    over: str
    """In a fraction that has no name."""
    about: str
    number: str
    """For # before a figure."""


@dataclass(frozen=True, slots=True)
class Breathing:
    """Where a voice may breathe. All words in lower case."""

    bound: frozenset[str]
    """Words that belong to what follows: articles, prepositions, possessives, titles."""
    clause_openers: frozenset[str]
    """Conjunctions and relative pronouns that open a clause."""
    joiners: frozenset[str]
    """Conjunctions that join clauses, but words too."""
    subjects: frozenset[str]
    """Words that open a clause behind a joiner, or a sentence behind an abbreviation."""
    prepositions: frozenset[str]
    abbreviations: frozenset[str]
    """Words after which a full stop does not end a sentence, full stops within aside."""
    closing_abbreviations: frozenset[str]
    """Those of them which may end one."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language."""

    code: str
    """ISO 639-1, as the number rules name it."""
    decimal: str
    """The decimal mark."""
    groups: str
    """Marks between thousands, as the inside of a character class."""
    signs: Signs
    currencies: Mapping[str, Currency]
    """By symbol and by ISO 4217 code."""
    scales: Mapping[str, Noun]
    """By what stands behind a figure: million, bn..."""
    units: Mapping[str, Noun]
    abbreviations: Mapping[str, str]
    """Whole words, as they are written, with their full stop."""
    months: tuple[str, ...]
    """Names by which a day of a month is recognised, twelve of them, in order."""
    month_abbreviations: tuple[str, ...]
    year_cues: frozenset[str]
    """Words before four figures that make them a year."""
    number_cues: frozenset[str]
    """Words before figures that are read one by one: code, PIN, account."""
    fractions: Mapping[str, str]
    half_days: Mapping[str, str]
    """What may follow a time: am, pm, Uhr."""
    time: Callable[[int, int, str], str]
    """(hour, minute, said half of the day) -> words"""
    date: Callable[[Date], str]
    """A date that is all figures -> words"""
    day_form: Callable[[str, str], str]
    """(day, word before it, lower case) -> words, of a day beside the name of its month"""
    money: Callable[[str, str, str], str]
    """(whole amount said with its unit, hundredths said with theirs, hundredths said alone) -> words"""
    letters: Mapping[str, str]
    """Letters and marks that have another name than themselves when spelled out."""
    breathing: Breathing
    guidance: str
    """What a model is told about the length of an answer; {count} is a number in words."""
    guidance_form: str = CARDINAL
    """Form of that number."""
    nouns: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By form of the number before them, words for what is often counted, in lower case: 1 Woche is "eine Woche".
    Those of `units` and `scales` are known already."""
    halves: Mapping[str, str] = field(default_factory=dict)
    """By form of a number before what is counted: 1/2 Stunde is "eine halbe Stunde"."""
    cases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By word before a number, in lower case: what becomes of its form. in 1 Stunde is "in einer Stunde"."""
    day_first: bool = True
    """Whether 3/5/2026 is in May."""
    ordinals: Mapping[str, str] = field(default_factory=dict)
    """By suffix of a figure (st, º, er): its form."""
    has_dotted_ordinals: bool = False
    """Whether a full stop behind a figure makes it an ordinal, so that it may not end a sentence."""

    def plain(self, number: str) -> str:
        """Return a number as it is written in this language as `spell` takes it: no groups, a decimal point."""
        return "".join(mark for mark in number if mark not in self.groups).replace(self.decimal, ".")

    def number(self, plain: str, form: str = CARDINAL, before: str = "") -> str:
        """Return a number, as `spell` takes it, in words. `before`: the word before it, lower case."""
        return spell(self.code, plain, self._form(form, before))

    def half(self, form: str, before: str = "") -> str | None:
        """Return 1/2 before what is counted in `form`; None where it is said as any fraction."""
        return self.halves.get(self._form(form, before))

    def _form(self, form: str, before: str) -> str:
        return self.cases.get(before, {}).get(form, form)

    def count(self, plain: str, noun: Noun, before: str = "") -> str:
        """Return so many of something."""
        is_one = plain in ("1", "1.0", "1.00")
        return f"{self.number('1' if is_one else plain, noun.form, before)} {noun.one if is_one else noun.many}"
