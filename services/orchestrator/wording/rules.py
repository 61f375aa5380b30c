# ruff: noqa: RUF001 (signs of money and measure are the subject here)
"""What is written in figures and signs, and how each kind of it is said: patterns over the tables of one language.

The words of numbers come from CLDR's rules (`numbers.py`), all other words from the language's table. A rule that does
not know what it sees leaves it to the next; what no rule takes is left to the voice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from services.orchestrator.wording.language import Currency, Date, Language, words
from services.orchestrator.wording.numbers import CARDINAL, YEAR, digit_groups, digits
from services.orchestrator.wording.spoken import Edit

Say: TypeAlias = Callable[[re.Match[str]], "str | list[Edit] | None"]
"""What is said for a match: words for all of it, words for parts of it, or None: not this rule's."""

_WORD_BEFORE = re.compile(r"([\w.]+)[^\w.]*$")
_WORD_AFTER = re.compile(r"[^\S\n]*([^\W\d_]+)")
_LONGEST_NUMBER = 6
"""Figures without marks between them beyond this are no quantity that anyone says."""
_FIGURES = "0123456789"
_LONGEST_PHONE = 15
_SHORT_CODE = 2
"""Figures in a code that are said as one number."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of text."""

    pattern: re.Pattern[str]
    say: Say
    needs: frozenset[str]
    """Characters of which a text holds one, where it holds this kind; empty: not known."""


def rules_of(language: Language, region: str = "") -> tuple[Rule, ...]:
    """Return a language's rules, in order: what one takes is not looked at by those after it.

    `region`: of the BCP 47 tag, upper case; decides whether 3/5/2026 is in May.
    """
    saying = _Saying(language, is_day_first=language.day_first or region not in ("", "US"))
    number = _number_pattern(language)
    currency = "|".join(re.escape(sign) for sign in sorted(language.currencies, key=len, reverse=True))
    scale = _words(language.scales)
    unit = "|".join(re.escape(name) for name in sorted(language.units, key=len, reverse=True))
    months = "|".join([*language.months, *(f"(?:{name})\\.?" for name in language.month_abbreviations if name)])
    half = _words(language.half_days)
    patterns: list[tuple[str, Say]] = [
        (r"(?P<local>[\w.+-]+)@(?P<host>[\w-]+(?:\.[\w-]+)+)", saying.email),
        (r"(?:https?://)?(?P<host>(?:www\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?:[a-z]{2,4}|museum|travel))"
         r"(?P<path>/[\w/.~%-]*)?(?:\?[\w=&%.+-]*)?(?:#[\w-]*)?(?![\w@])", saying.address),
        (rf"(?<![\w.])(?:{_words(language.abbreviations)})(?!\w)", saying.abbreviation),
        (r"(?<![\w./-])(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?![\w-])", saying.date),
        (r"(?<![\w./-])(?P<a>\d{1,2})(?P<sep>[./])(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4})(?![\w/-])", saying.date),
        (rf"\b(?P<month>{months})\s+(?P<d>\d{{1,2}})(?P<suffix>st|nd|rd|th)?(?:,?\s+(?P<y>\d{{4}}))?(?!\w|[.,:]\d)",
         saying.day_of_month),
        (rf"(?<![\w.,])(?P<d>\d{{1,2}})(?P<suffix>\.|º|er|st|nd|rd|th)?\s+(?P<of>(?:of|de)\s+)?"
         rf"(?P<month>{months})\b(?:(?:,|\s+(?:de|del|of))?\s+(?P<y>\d{{4}}))?(?!\w)", saying.day_of_month),
        (rf"(?<![\w.,:])(?P<h>\d{{1,2}})[:h](?P<min>[0-5]\d)(?:\s?(?P<half>{half})(?!\w))?(?![\w:])", saying.time),
        (rf"(?<![\w.,:])(?P<h>\d{{1,2}})(?:\.(?P<min>[0-5]\d))?\s?(?P<half>{half})(?!\w)", saying.time),
        (rf"(?P<sign>[-−])?(?P<currency>{currency})\s?(?P<n>{number})(?:\s?(?P<scale>{scale})(?!\w))?(?!\w)",
         saying.money),
        (rf"(?<![\w.,])(?P<sign>[-−])?(?P<n>{number})(?:\s?(?P<scale>{scale}))?\s?(?P<currency>{currency})(?!\w)",
         saying.money),
        (r"(?<![\w.,/-])(?:\+\d{1,3}[\s.-]?(?:\(\d{1,4}\)[\s.-]?)?\d(?:[\s./-]?\d){5,12}"
         r"|\(\d{2,5}\)[\s.-]?\d(?:[\s.-]?\d){4,9}|0\d(?:[\s/.-]?\d){6,11}"
         r"|(?:1[\s.-])?\d{3}[\s.-]\d{3}[\s.-]\d{4}|\d{3}[.-]\d{4})(?![\w/]|[.,-]\d)", saying.phone),
        (rf"(?<![\w.,])(?P<sign>[-−])?(?P<n>{number})\s?%", saying.percent),
        (r"(?<![\w.,])(?P<decade>(?:1[1-9]|20)\d0|\d0)s(?!\w)", saying.decade),
        (rf"(?<![\w.,])(?<!\d/)(?P<sign>[-−])?(?P<n>{number})[\s-]?(?P<unit>{unit})(?![\w/²])", saying.unit),
        (rf"(?<![\w.,])(?P<n>\d{{1,4}})(?:{_words(language.ordinals)})(?!\w)" if language.ordinals else r"(?!)",
         saying.ordinal),
        (rf"(?<![\w.,/])(?:(?P<whole>\d{{1,3}})\s)?(?P<f>\d{{1,2}}/\d{{1,3}})(?:\s?(?P<unit>{unit})(?![\w/²])|(?![\w/]))",
         saying.fraction),
        (r"(?<![\w.,])(?P<n>\d+(?:\.\d+){2,})(?![\w]|\.\d)", saying.version),
        (rf"(?<![\w.,-])(?P<a>{number})\s?[-–—]\s?(?P<b>{number})(?=[^\w-]|$)", saying.span),
        (r"(?:#|(?<!\w)(?i:no|nr)\.\s?)(?P<n>\d+)(?!\w)", saying.numbered),
        (r"(?<![\w])(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?!\w)", saying.code),
        (rf"(?P<about>~\s?)?(?<![\w.,])(?P<sign>[-−](?=\d))?(?P<n>{number})(?!\w)", saying.number),
        (r"(?<=\s)[&+=×→](?=\s)|(?<=\w)&(?=\w)|(?<=\d)\s?[×+=]\s?(?=\d)|(?<=\w)\s?[%](?!\w)|(?<=\s)@(?=\s)"
         r"|(?:(?<=\d)|(?<=\d[ap]m)|(?<=[ap]\.m\.))\s?[-–]\s?(?=\d)",
         saying.sign),
    ]  # fmt: skip
    needs: dict[Say, str] = {
        saying.email: "@", saying.address: ".", saying.abbreviation: "", saying.percent: "%", saying.sign: "&+=×→%@-–"
    }  # fmt: skip
    return tuple(Rule(re.compile(text), say, frozenset(needs.get(say, _FIGURES))) for text, say in patterns)


def _words(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) or "(?!)"


def _number_pattern(language: Language) -> str:
    point = re.escape(language.decimal)
    grouped = rf"\d{{1,3}}(?:[{language.groups}]\d{{3}})+(?!\d)" if language.groups else r"(?!)"
    return rf"(?:(?:{grouped}|\d+)(?:{point}\d+)?(?![.,]?\d))"  # 12.50 in German is not twelve


class _Saying:
    """The rules' words."""

    def __init__(self, language: Language, *, is_day_first: bool) -> None:
        self._language = language
        self._code = language.code
        self._signs = language.signs
        self._is_day_first = is_day_first
        counted = [*language.units.values(), *language.scales.values()]
        self._forms = {name.split()[0].lower(): noun.form for noun in counted for name in (noun.one, noun.many)}
        self._forms |= {name: form for form, names in language.nouns.items() for name in names}
        self._months = [
            re.compile(f"{name}|{short}\\.?" if short else name, re.IGNORECASE)
            for name, short in zip(language.months, language.month_abbreviations, strict=True)
        ]

    # --- addresses ----------------------------------------------------------------------------------------------------

    def email(self, match: re.Match[str]) -> str:
        return f"{self._spelled(match['local'])} {self._signs.at} {self._host(match['host'])}"

    def address(self, match: re.Match[str]) -> str | None:
        host, path = match["host"], (match["path"] or "").rstrip("/.")
        if not match.group().startswith(("http", "www.")) and host.rpartition(".")[2] not in _COMMON_TOP_LEVELS:
            return None
        said = self._host(host)
        for part in filter(None, path.split("/")):
            said += f" {self._signs.slash} {self._spelled(part)}"
        return said + ("." if match.group().endswith(".") else "")

    def _host(self, host: str) -> str:
        *names, top = host.split(".")
        said = [" ".join(name) if name.lower() == "www" else self._spelled(name) for name in names]
        said.append(top if len(top) > 2 or top == "co" else " ".join(top))
        return f" {self._signs.dot} ".join(said)

    def _spelled(self, text: str) -> str:
        names = {".": self._signs.dot, "-": self._signs.dash, "_": self._signs.underscore, "+": self._signs.plus}
        parts = re.findall(r"[^\W\d_]+|\d+|.", text)
        said = (names.get(part, digits(self._code, part) if part.isdecimal() else part) for part in parts)
        return " ".join(filter(None, said))

    # --- times and dates ----------------------------------------------------------------------------------------------

    def date(self, match: re.Match[str]) -> str | None:
        groups = match.groupdict()
        if "a" in groups:
            day, month = int(groups["a"]), int(groups["b"])
            if not self._is_day_first and groups["sep"] == "/":
                day, month = month, day
        else:
            day, month = int(groups["d"]), int(groups["m"])
        if not (1 <= day <= 31 and 1 <= month <= 12):
            return None
        return self._language.date(Date(day, month, groups["y"]))

    def day_of_month(self, match: re.Match[str]) -> list[Edit] | None:
        groups = match.groupdict()
        if not 1 <= int(match["d"]) <= 31:
            return None
        is_after = match.start("month") < match.start("d")
        before = match["month"].rstrip(".").lower() if is_after else _word_before(match.string, match.start())
        day_end = match.end("suffix") if match["suffix"] else match.end("d")
        said = self._language.day_form(match["d"], before)
        if groups.get("of") and said.endswith(f" {match['of'].strip()}"):
            said = said.rsplit(" ", 1)[0]
        edits = [Edit(match.start("d"), day_end, said)]
        index = next(i for i, month in enumerate(self._months) if month.fullmatch(match["month"]))
        if match["month"].rstrip(".") != match["month"] or len(match["month"]) <= 4 < len(self._language.months[index]):
            edits.append(Edit(*match.span("month"), self._language.months[index]))
        if match["y"]:
            edits.append(Edit(*match.span("y"), self._year(match["y"])))
        return sorted(edits)

    def time(self, match: re.Match[str]) -> str | None:
        hour, minute = int(match["h"]), int(match["min"] or 0)
        if hour > 24:
            return None
        said = self._language.time(hour, minute, self._language.half_days.get(match["half"] or "", ""))
        return f"{said}." if match.group().endswith(".") and _ends_sentence(match) else said

    def decade(self, match: re.Match[str]) -> str | None:
        if self._code != "en":
            return None
        said = self._year(match["decade"])
        return f"{said[:-1]}ies" if said.endswith("y") else f"{said}s"

    def _year(self, figures: str) -> str:
        return self._language.number(figures, YEAR)

    # --- quantities ---------------------------------------------------------------------------------------------------

    def money(self, match: re.Match[str]) -> str:
        currency = self._language.currencies[match["currency"]]
        plain, before = self._language.plain(match["n"]), _word_before(match.string, match.start())
        if match["scale"]:
            scale = self._language.scales[match["scale"]]
            said = self._language.money(f"{self._language.count(plain, scale, before)} {currency.unit.many}", "", "")
        else:
            said = self._sum(plain, currency, before)
        return f"{self._minus(match)}{said}"

    def _sum(self, plain: str, currency: Currency, before: str) -> str:
        whole, _, hundredths = plain.partition(".")
        count = self._language.count
        if len(hundredths) != 2 or currency.hundredth is None:
            return count(plain if hundredths.strip("0") else whole, currency.unit, before)
        if not int(hundredths):
            return count(whole, currency.unit, before)
        number = str(int(hundredths))
        said_hundredths = count(number, currency.hundredth, before)
        said_whole = count(whole, currency.unit, before) if int(whole) else ""
        return self._language.money(said_whole, said_hundredths, self._language.number(number))

    def percent(self, match: re.Match[str]) -> str:
        return f"{self._minus(match)}{self._language.number(self._language.plain(match['n']))} {self._signs.percent}"

    def unit(self, match: re.Match[str]) -> str:
        plain, noun = self._language.plain(match["n"]), self._language.units[match["unit"]]
        return f"{self._minus(match)}{self._language.count(plain, noun, _word_before(match.string, match.start()))}"

    def ordinal(self, match: re.Match[str]) -> str:
        suffix = match.group()[len(match["n"]) :]
        return self._language.number(match["n"], self._language.ordinals[suffix])

    def fraction(self, match: re.Match[str]) -> str:
        noun, whole = self._language.units.get(match["unit"] or ""), match["whole"]
        said = self._language.fractions.get(match["f"])
        if match["f"] == "1/2" and not whole:
            form = noun.form if noun else self._form_before(match.string, match.end())
            said = self._language.half(form, _word_before(match.string, match.start())) or said
        if said is None:
            above, _, below = match["f"].partition("/")
            said = f"{self._language.number(above)} {self._signs.over} {self._language.number(below)}"
        said = f"{self._language.number(whole)} {self._signs.ampersand} {said}" if whole else said
        return f"{said} {noun.many if whole else noun.one}" if noun else said

    def span(self, match: re.Match[str]) -> list[Edit] | None:
        if match["a"].startswith("0"):
            return None
        return [
            Edit(*match.span("a"), self._figures(match, "a")),
            Edit(match.end("a"), match.start("b"), f" {self._signs.to} "),
            Edit(*match.span("b"), self._figures(match, "b")),
        ]

    def numbered(self, match: re.Match[str]) -> str:
        return f"{self._signs.number} {self._figures(match, 'n', is_name=True)}"

    def number(self, match: re.Match[str]) -> str:
        about = f"{self._signs.about} " if match["about"] else ""
        return f"{about}{self._minus(match)}{self._figures(match, 'n')}"

    def _figures(self, match: re.Match[str], group: str, *, is_name: bool = False) -> str:
        """Return a number as a quantity, a year or a name of figures, whichever it looks like."""
        text = match[group]
        if not text.isdecimal():
            return self._language.number(self._language.plain(text))
        before = _word_before(match.string, match.start(group))
        is_name = is_name or before in self._language.number_cues
        if len(text) > _LONGEST_NUMBER or (len(text) > 1 and text[0] == "0") or (is_name and len(text) > 3):
            return digit_groups(self._code, text)
        if len(text) == 4 and 1100 <= int(text) < 2100 and before in self._language.year_cues:
            return self._year(text)
        form = CARDINAL if is_name else self._form_before(match.string, match.end())
        return self._language.number(text, form, before)

    def _form_before(self, text: str, end: int) -> str:
        """Return the form of a number that ends at `end`, by the word behind it."""
        follows = _WORD_AFTER.match(text, end)
        return self._forms.get(follows[1].lower(), CARDINAL) if follows else CARDINAL

    # --- names of figures ---------------------------------------------------------------------------------------------

    def phone(self, match: re.Match[str]) -> list[Edit] | None:
        figures = re.findall(r"\d+", match.group())
        if len("".join(figures)) > _LONGEST_PHONE:
            return None
        edits: list[Edit] = []
        for found in re.finditer(r"\+?\(?(\d+)[\s)./-]*", match.group()):
            plus = f"{self._signs.plus} " if "+" in found.group() else ""
            is_last = found.end() == len(match.group())
            said = f"{plus}{digit_groups(self._code, found[1])}{'' if is_last else ', '}"
            edits.append(Edit(match.start() + found.start(), match.start() + found.end(), said))
        return edits

    def version(self, match: re.Match[str]) -> str:
        return f" {self._signs.point} ".join(self._language.number(part) for part in match["n"].split("."))

    def code(self, match: re.Match[str]) -> str:
        return " ".join(self._code_part(part) for part in re.findall(r"\d+|[A-Za-z]+", match.group()))

    def _code_part(self, part: str) -> str:
        if part.isdecimal():
            is_short = len(part) <= _SHORT_CODE and part[0] != "0"
            return self._language.number(part) if is_short else digit_groups(self._code, part)
        return " ".join(part) if part.isupper() else part

    # --- words and signs ----------------------------------------------------------------------------------------------

    def abbreviation(self, match: re.Match[str]) -> str:
        said = self._language.abbreviations[match.group()]
        may_end = match.group().endswith(".") and (
            match.group() in _CLOSING or match.end() == len(match.string.rstrip())
        )
        return f"{said}." if may_end and _ends_sentence(match) else said

    def sign(self, match: re.Match[str]) -> str:
        signs = self._signs
        names = {
            "&": signs.ampersand, "+": signs.plus, "=": signs.equals, "×": signs.times, "→": signs.to, "@": signs.at,
            "%": signs.percent, "-": signs.to, "–": signs.to,
        }  # fmt: skip
        said = names[match.group().strip()]
        before = match.string[match.start() - 1 : match.start()]
        after = match.string[match.end() : match.end() + 1]
        return f"{'' if before.isspace() else ' '}{said}{' ' if after.isalnum() else ''}"

    def _minus(self, match: re.Match[str]) -> str:
        return f"{self._signs.minus} " if match["sign"] else ""


_COMMON_TOP_LEVELS = words("com org net edu gov info io dev app ai co uk eu de es fr it nl us ca au")
_CLOSING = frozenset({"etc.", "usw."})


def _word_before(text: str, position: int) -> str:
    found = _WORD_BEFORE.search(text[:position])
    return found[1].lower() if found else ""


def _ends_sentence(match: re.Match[str]) -> bool:
    follows = match.string[match.end() :].lstrip()
    return not follows or follows[0].isupper()
