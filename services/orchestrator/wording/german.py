"""German."""

from __future__ import annotations

from services.orchestrator.wording.language import Breathing, Currency, Date, Language, Noun, Signs, words
from services.orchestrator.wording.numbers import YEAR, spell

_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
    "Dezember",
)  # fmt: skip
_MASCULINE, _FEMININE, _NEUTER = "cardinal-masculine", "cardinal-feminine", "cardinal-neuter"
_DATIVE = words("am dem den vom zum im ab bis seit der des nach vor mit")
"""Words before a day that make it "dritten"."""
_BEFORE_DATIVE = words("in nach vor seit mit von bei zu aus ab binnen unter")
_TO_DATIVE = {_MASCULINE: "cardinal-m", _FEMININE: "cardinal-r", _NEUTER: "cardinal-m"}
_BEFORE_ACCUSATIVE = words("für um ohne pro auf über bis")
_TO_ACCUSATIVE = {_MASCULINE: "cardinal-n"}


def _time(hour: int, minute: int, half_day: str) -> str:
    hours = spell("de", str(hour), _MASCULINE)
    return f"{hours} Uhr {spell('de', str(minute))}" if minute else f"{hours} Uhr"


def _day(day: str, before: str) -> str:
    return spell("de", day, "ordinal-n" if before in _DATIVE else "ordinal")


def _date(date: Date) -> str:
    year = f" {spell('de', date.year, YEAR)}" if date.year else ""
    return f"{spell('de', str(date.day), 'ordinal-r')} {_MONTHS[date.month - 1]}{year}"


def _money(whole: str, hundredths: str, hundredths_alone: str) -> str:
    if not whole:
        return hundredths
    return f"{whole} {hundredths_alone}" if hundredths else whole


def _same(word: str, form: str = _MASCULINE) -> Noun:
    return Noun(word, word, form)


_CENT = _same("Cent")

GERMAN = Language(
    code="de",
    decimal=",",
    groups=".\u202f\u00a0",
    signs=Signs(
        point="Komma", minus="minus", percent="Prozent", to="bis", ampersand="und", at="ät", dot="Punkt",
        slash="Schrägstrich", dash="Bindestrich", underscore="Unterstrich", plus="plus", equals="gleich", times="mal",
        over="durch", about="etwa", number="Nummer",
    ),
    currencies={
        "€": Currency(_same("Euro"), _CENT), "EUR": Currency(_same("Euro"), _CENT),
        "$": Currency(_same("Dollar"), _CENT), "USD": Currency(_same("US-Dollar"), _CENT),
        "£": Currency(_same("Pfund", _NEUTER), Noun("Penny", "Pence", _MASCULINE)),
        "CHF": Currency(_same("Franken"), _same("Rappen")),
    },
    scales={
        "Mio.": Noun("Million", "Millionen", _FEMININE), "Mrd.": Noun("Milliarde", "Milliarden", _FEMININE),
        "Millionen": Noun("Million", "Millionen", _FEMININE), "Million": Noun("Million", "Millionen", _FEMININE),
        "Milliarden": Noun("Milliarde", "Milliarden", _FEMININE), "Tsd.": _same("tausend"),
    },
    units={
        "km": _same("Kilometer"), "m": _same("Meter"), "cm": _same("Zentimeter"), "mm": _same("Millimeter"),
        "kg": _same("Kilogramm", _NEUTER), "g": _same("Gramm", _NEUTER), "mg": _same("Milligramm", _NEUTER),
        "l": _same("Liter"), "ml": _same("Milliliter"), "m²": _same("Quadratmeter"),
        "km/h": Noun("Kilometer pro Stunde", "Kilometer pro Stunde", _MASCULINE), "°C": _same("Grad Celsius"),
        "°": _same("Grad"), "h": Noun("Stunde", "Stunden", _FEMININE), "Std.": Noun("Stunde", "Stunden", _FEMININE),
        "min": Noun("Minute", "Minuten", _FEMININE), "Min.": Noun("Minute", "Minuten", _FEMININE),
        "s": Noun("Sekunde", "Sekunden", _FEMININE), "kW": _same("Kilowatt", _NEUTER),
        "kWh": Noun("Kilowattstunde", "Kilowattstunden", _FEMININE), "MB": _same("Megabyte", _NEUTER),
        "GB": _same("Gigabyte", _NEUTER), "TB": _same("Terabyte", _NEUTER),
    },
    abbreviations={
        "z.B.": "zum Beispiel", "z. B.": "zum Beispiel", "d.h.": "das heißt", "d. h.": "das heißt",
        "usw.": "und so weiter",
        "bzw.": "beziehungsweise", "ca.": "circa", "Dr.": "Doktor", "Prof.": "Professor", "Mio.": "Millionen",
        "Hr.": "Herr",
        "Fr.": "Frau", "inkl.": "inklusive", "zzgl.": "zuzüglich", "evtl.": "eventuell", "ggf.": "gegebenenfalls",
        "u.a.": "unter anderem", "Tel.": "Telefon", "Str.": "Straße", "max.": "maximal", "mind.": "mindestens",
    },
    months=_MONTHS,
    month_abbreviations=("Jan", "Feb", "", "Apr", "", "", "", "Aug", "Sept?", "Okt", "Nov", "Dez"),
    year_cues=frozenset({"jahr", "jahre", "seit", "bis", "von", "anno", "ab"}),
    number_cues=frozenset({"nummer", "code", "pin", "konto", "kundennummer", "bestellnummer", "plz", "buchungsnummer"}),
    fractions={
        "1/2": "ein halb", "1/3": "ein Drittel", "2/3": "zwei Drittel",
        "1/4": "ein Viertel", "3/4": "drei Viertel",
    },
    halves={
        _MASCULINE: "ein halber", _FEMININE: "eine halbe", _NEUTER: "ein halbes",
        "cardinal-m": "einem halben", "cardinal-r": "einer halben", "cardinal-n": "einen halben",
    },
    half_days={"Uhr": "Uhr"},
    time=_time,
    date=_date,
    day_form=_day,
    money=_money,
    letters={"-": "Bindestrich", "_": "Unterstrich", ".": "Punkt", "/": "Schrägstrich", "@": "ät", "+": "plus"},
    breathing=Breathing(
        bound=words(
            "der die das den dem des ein eine einen einem einer eines mein dein sein ihr unser euer kein "
            "keine jeder jede in im an am auf zu zum zur für von vom bei beim mit nach aus über unter "
            "vor hinter zwischen durch ohne um bis seit gegen ist sind war waren wird werden kann können "
            "nicht sehr so mehr zwei herr frau dr"
        ),
        clause_openers=words(
            "aber weil obwohl während wenn falls da denn sondern damit dass bevor nachdem sobald bis wo "
            "wer was wie welche welcher welches"
        ),
        joiners=frozenset({"und", "oder", "dann"}),
        subjects=words(
            "ich du wir sie er es ihr das der die dann wenn bitte möchten soll sollen kann können haben "
            "ist"
        ),
        prepositions=words("in im an am auf zu zum zur für von vom bei mit nach aus über um bis ab seit"),
        abbreviations=words(
            "z.b zb d.h dh usw bzw ca dr prof nr hr fr inkl zzgl evtl ggf u.a tel str max mind mio mrd "
            "st uhr"
        ),
        closing_abbreviations=frozenset({"usw", "str"}),
    ),
    guidance="Du sprichst, du schreibst nicht: Antworte in höchstens {count} kurzen Sätzen, außer man will mehr.",
    nouns={
        _MASCULINE: words(
            "tag tage tagen werktag werktage werktagen monat monate monaten termin termine terminen euro dollar "
            "franken rappen cent gast gäste gästen platz plätze plätzen tisch tische tischen parkplatz artikel punkt "
            "punkte punkten schritt schritte schritten"
        ),
        _FEMININE: words(
            "woche wochen nacht nächte nächten person personen frage fragen karte karten bestellung bestellungen "
            "rechnung rechnungen buchung buchungen reservierung reservierungen lieferung lieferungen übernachtung "
            "übernachtungen möglichkeit möglichkeiten flasche flaschen"
        ),
        _NEUTER: words(
            "jahr jahre jahren wochenende wochenenden kind kinder kindern zimmer zimmern ticket tickets stück pfund "
            "mal paket pakete paketen bett betten"
        ),
    },
    cases={**dict.fromkeys(_BEFORE_DATIVE, _TO_DATIVE), **dict.fromkeys(_BEFORE_ACCUSATIVE, _TO_ACCUSATIVE)},
    has_dotted_ordinals=True,
)  # fmt: skip
