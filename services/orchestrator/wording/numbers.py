"""Numbers as words, in the wording of Unicode's CLDR: its rule-based formats, by the library unicode-rbnf."""

from __future__ import annotations

from functools import cache, lru_cache

from unicode_rbnf import RbnfEngine
from unicode_rbnf.engine import FormatPurpose, NoRuleForNumberError

CARDINAL = "cardinal"
ORDINAL = "ordinal"
YEAR = "numbering-year"
_PURPOSES = {"cardinal": FormatPurpose.CARDINAL, "ordinal": FormatPurpose.ORDINAL, "numbering": FormatPurpose.YEAR}

_PLAIN = ("spellout-numbering", "spellout-cardinal-masculine")


@cache
def _engine(language: str) -> RbnfEngine:
    return RbnfEngine.for_language(language)


@lru_cache(8192)
def spell(language: str, number: str, form: str = CARDINAL) -> str:
    """Return `number` in words.

    `language`: such as "en". `number`: digits, perhaps with a sign and a decimal point. `form`: CARDINAL, ORDINAL or
    YEAR, perhaps with what CLDR's rule sets name behind it: "cardinal-feminine", "ordinal-n". Where the language has no
    such form, and with a decimal point ("eins Komma fünf Stunden"), it is the plain one. A number that is too large to
    have words is returned as it is.
    """
    if "." in number:
        form = CARDINAL
    try:
        found = _engine(language).format_number(number, _PURPOSES[form.partition("-")[0]])
    except NoRuleForNumberError:
        return number
    texts = found.text_by_ruleset
    return next((texts[name] for name in (f"spellout-{form}", *_PLAIN) if name in texts), found.text)


def digits(language: str, figures: str) -> str:
    """Return figures one by one; what is no figure is left out."""
    return " ".join(spell(language, figure) for figure in figures if figure.isdecimal())


def digit_groups(language: str, figures: str) -> str:
    """Return many figures one by one, with a pause after every third; the last group has two to four."""
    figures = "".join(figure for figure in figures if figure.isdecimal())
    groups: list[str] = []
    while len(figures) > 4:
        groups.append(figures[:3])
        figures = figures[3:]
    return ", ".join(digits(language, group) for group in [*groups, figures])
