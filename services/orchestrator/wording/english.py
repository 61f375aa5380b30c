"""English."""

from __future__ import annotations

from services.orchestrator.wording.language import Breathing, Currency, Date, Language, Noun, Signs, words
from services.orchestrator.wording.numbers import ORDINAL, YEAR, spell

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def _time(hour: int, minute: int, half_day: str) -> str:
    hours = spell("en", str(hour))
    minutes = spell("en", str(minute)) if minute >= 10 else f"oh {spell('en', str(minute))}"
    if half_day:
        return f"{hours} {half_day}" if not minute else f"{hours} {minutes} {half_day}"
    if minute:
        return f"{hours} {minutes}"
    if not hour:
        return "midnight"
    return f"{hours} o'clock" if hour <= 12 else f"{hours} hundred"


def _date(date: Date) -> str:
    day = spell("en", str(date.day), ORDINAL)
    year = f", {spell('en', date.year, YEAR)}" if date.year else ""
    return f"{_MONTHS[date.month - 1]} {day}{year}"


def _day(day: str, before: str) -> str:
    said = spell("en", day, ORDINAL)
    if before.title() in _MONTHS or before in _MONTH_KEYS:
        return said
    return f"{said} of" if before == "the" else f"the {said} of"


def _money(whole: str, hundredths: str, hundredths_alone: str) -> str:
    if not whole:
        return hundredths
    return f"{whole} and {hundredths}" if hundredths else whole


_MONTH_ABBREVIATIONS = ("Jan", "Feb", "Mar", "Apr", "", "Jun", "Jul", "Aug", "Sept?", "Oct", "Nov", "Dec")
_MONTH_KEYS = ("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec")
_CENT = Noun("cent", "cents")
_PENNY = Noun("penny", "pence")


def _plural(one: str) -> Noun:
    return Noun(one, f"{one}s")


ENGLISH = Language(
    code="en",
    decimal=".",
    groups=",",
    signs=Signs(
        point="point", minus="minus", percent="percent", to="to", ampersand="and", at="at", dot="dot", slash="slash",
        dash="dash", underscore="underscore", plus="plus", equals="equals", times="times", over="over", about="about",
        number="number",
    ),
    currencies={
        "$": Currency(_plural("dollar"), _CENT), "US$": Currency(_plural("dollar"), _CENT),
        "USD": Currency(Noun("US dollar", "US dollars"), _CENT), "€": Currency(_plural("euro"), _CENT),
        "EUR": Currency(_plural("euro"), _CENT), "£": Currency(_plural("pound"), _PENNY),
        "GBP": Currency(_plural("pound"), _PENNY), "¥": Currency(Noun("yen", "yen")),
        "CHF": Currency(Noun("Swiss franc", "Swiss francs"), Noun("centime", "centimes")),
    },
    scales={
        **{scale: Noun(scale, scale) for scale in ("thousand", "million", "billion", "trillion")},
        "k": Noun("thousand", "thousand"), "K": Noun("thousand", "thousand"), "M": Noun("million", "million"),
        "m": Noun("million", "million"), "bn": Noun("billion", "billion"), "B": Noun("billion", "billion"),
    },
    units={
        "km": _plural("kilometre"), "m": _plural("metre"), "cm": _plural("centimetre"), "mm": _plural("millimetre"),
        "kg": _plural("kilogram"), "g": _plural("gram"), "mg": _plural("milligram"), "lb": _plural("pound"),
        "lbs": _plural("pound"), "oz": _plural("ounce"), "l": _plural("litre"), "L": _plural("litre"),
        "ml": _plural("millilitre"), "ft": Noun("foot", "feet"), "mi": _plural("mile"),
        "mph": Noun("mile per hour", "miles per hour"), "km/h": Noun("kilometre per hour", "kilometres per hour"),
        "m²": Noun("square metre", "square metres"), "°C": Noun("degree Celsius", "degrees Celsius"),
        "°F": Noun("degree Fahrenheit", "degrees Fahrenheit"), "°": _plural("degree"), "h": _plural("hour"),
        "hr": _plural("hour"), "hrs": _plural("hour"), "min": _plural("minute"), "mins": _plural("minute"),
        "sec": _plural("second"), "s": _plural("second"), "ms": _plural("millisecond"), "kW": _plural("kilowatt"),
        "kWh": _plural("kilowatt hour"), "W": _plural("watt"), "V": _plural("volt"), "Hz": Noun("hertz", "hertz"),
        "KB": _plural("kilobyte"), "MB": _plural("megabyte"), "GB": _plural("gigabyte"), "TB": _plural("terabyte"),
        "Mbps": Noun("megabit per second", "megabits per second"),
    },
    abbreviations={
        "Dr.": "Doctor", "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz", "Prof.": "Professor", "e.g.": "for example",
        "i.e.": "that is", "etc.": "et cetera", "vs.": "versus", "vs": "versus", "approx.": "approximately",
        "appt.": "appointment", "Ave.": "Avenue", "Rd.": "Road", "Blvd.": "Boulevard", "Apt.": "Apartment",
        "Dept.": "Department", "Inc.": "Incorporated", "Ltd.": "Limited", "Co.": "Company", "Jr.": "Junior",
        "Sr.": "Senior", "w/": "with", "Mon.": "Monday", "Tue.": "Tuesday", "Tues.": "Tuesday",
        "Wed.": "Wednesday", "Thu.": "Thursday", "Thurs.": "Thursday", "Fri.": "Friday", "Sat.": "Saturday",
        "Jan.": "January", "Feb.": "February", "Aug.": "August", "Sept.": "September", "Oct.": "October",
        "Nov.": "November", "Dec.": "December", "24/7": "twenty-four seven",
    },
    months=_MONTHS,
    month_abbreviations=_MONTH_ABBREVIATIONS,
    year_cues=frozenset({"in", "since", "by", "from", "until", "till", "of", "year", "during", "before", "after"}),
    number_cues=frozenset(
        {"number", "code", "pin", "id", "account", "order", "reference", "extension", "zip", "card", "ending",
        "booking"}
    ),
    fractions={
        "1/2": "one half", "1/3": "one third", "2/3": "two thirds",
        "1/4": "one quarter", "3/4": "three quarters",
    },
    half_days={"am": "a m", "a.m.": "a m", "pm": "p m", "p.m.": "p m", "AM": "a m", "PM": "p m"},
    time=_time,
    date=_date,
    day_form=_day,
    money=_money,
    letters={"-": "dash", "_": "underscore", ".": "dot", "/": "slash", "@": "at", "+": "plus", "#": "hash"},
    breathing=Breathing(
        bound=words(
            "a an the this these those my your his her its our their some any no each every both of in "
            "on at to for from by with about into over under between through during without within near "
            "than as is are was were be been am will would can could shall should may might must do does "
            "did has have had not very too so more most mr mrs ms dr prof st"
        ),
        clause_openers=words(
            "but because although though while whereas unless until since which who whose whom where "
            "when if so however therefore otherwise"
        ),
        joiners=frozenset({"and", "or", "then", "plus"}),
        subjects=words(
            "i you we he she it they there this that these those the would could can shall do does is "
            "are what how if when then please let i'm you're we're it's that's there's i'll you'll we'll "
            "i've we've"
        ),
        prepositions=words(
            "in on at to for from by with about into between through during without after before near "
            "until"
        ),
        abbreviations=words(
            "mr mrs ms dr prof st no vs etc eg ie am pm approx inc ltd co jr sr ave rd blvd apt dept "
            "appt fig vol mon tue tues wed thu thurs fri jan feb aug sept oct nov dec"
        ),
        closing_abbreviations=words("am pm etc inc ltd co jr sr ave rd blvd"),
    ),
    guidance="You are speaking, not writing: answer in at most {count} short sentences, unless you are asked for more.",
    ordinals={"st": ORDINAL, "nd": ORDINAL, "rd": ORDINAL, "th": ORDINAL},
    day_first=False,
)  # fmt: skip
