"""French."""

from __future__ import annotations

from services.orchestrator.wording.language import Breathing, Currency, Date, Language, Noun, Signs, words
from services.orchestrator.wording.numbers import spell

_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
    "décembre",
)  # fmt: skip
_MASCULINE, _FEMININE = "cardinal-masculine", "cardinal-feminine"


def _time(hour: int, minute: int, half_day: str) -> str:
    hours = f"{spell('fr', str(hour), _FEMININE)} heure{'s' if hour > 1 else ''}"
    return f"{hours} {spell('fr', str(minute))}" if minute else hours


def _day(day: str, before: str) -> str:
    return "premier" if day == "1" else spell("fr", day)


def _date(date: Date) -> str:
    year = f" {spell('fr', date.year)}" if date.year else ""
    return f"{_day(str(date.day), '')} {_MONTHS[date.month - 1]}{year}"


def _money(whole: str, hundredths: str, hundredths_alone: str) -> str:
    if not whole:
        return hundredths
    return f"{whole} {hundredths_alone}" if hundredths else whole.replace(" de euro", " d'euro")


def _noun(one: str, many: str = "", form: str = _MASCULINE) -> Noun:
    return Noun(one, many or f"{one}s", form)


_CENTIME = _noun("centime")

FRENCH = Language(
    code="fr",
    decimal=",",
    groups=" .\u202f\u00a0",
    signs=Signs(
        point="virgule", minus="moins", percent="pour cent", to="à", ampersand="et", at="arobase", dot="point",
        slash="barre oblique", dash="tiret", underscore="tiret bas", plus="plus", equals="égale", times="fois",
        over="sur", about="environ", number="numéro",
    ),
    currencies={
        "€": Currency(_noun("euro"), _CENTIME), "EUR": Currency(_noun("euro"), _CENTIME),
        "$": Currency(_noun("dollar"), _noun("cent")), "USD": Currency(_noun("dollar"), _noun("cent")),
        "£": Currency(_noun("livre", form=_FEMININE), Noun("penny", "pence", _MASCULINE)),
        "CHF": Currency(_noun("franc suisse", "francs suisses"), _CENTIME),
    },
    scales={
        "millions": _noun("million de", "millions de"), "million": _noun("million de", "millions de"),
        "milliards": _noun("milliard de", "milliards de"), "milliard": _noun("milliard de", "milliards de"),
    },
    units={
        "km": _noun("kilomètre"), "m": _noun("mètre"), "cm": _noun("centimètre"), "mm": _noun("millimètre"),
        "kg": _noun("kilo"), "g": _noun("gramme"), "mg": _noun("milligramme"), "l": _noun("litre"),
        "ml": _noun("millilitre"),
        "m²": _noun("mètre carré", "mètres carrés"), "km/h": _noun("kilomètre à l'heure", "kilomètres à l'heure"),
        "°C": _noun("degré Celsius", "degrés Celsius"), "°": _noun("degré"), "min": _noun("minute", form=_FEMININE),
        "s": _noun("seconde", form=_FEMININE), "h": _noun("heure", form=_FEMININE), "kWh": _noun("kilowattheure"),
        "Mo": _noun("mégaoctet"), "Go": _noun("gigaoctet"),
    },
    abbreviations={
        "M.": "monsieur", "Mme": "madame", "Mlle": "mademoiselle", "Dr": "docteur", "etc.": "et cetera",
        "p. ex.": "par exemple", "c.-à-d.": "c'est-à-dire", "n°": "numéro", "N°": "numéro", "av.": "avenue",
        "bd": "boulevard", "env.": "environ", "tél.": "téléphone",
    },
    months=_MONTHS,
    month_abbreviations=("", "", "", "", "", "", "", "", "", "", "", ""),
    year_cues=frozenset(),
    number_cues=frozenset({"numéro", "code", "pin", "compte", "référence", "commande", "postal", "réservation"}),
    fractions={"1/2": "un demi", "1/3": "un tiers", "2/3": "deux tiers", "1/4": "un quart", "3/4": "trois quarts"},
    halves={_FEMININE: "une demi"},
    half_days={"heures": "", "h": ""},
    time=_time,
    date=_date,
    day_form=_day,
    money=_money,
    letters={"-": "tiret", "_": "tiret bas", ".": "point", "/": "barre oblique", "@": "arobase", "+": "plus"},
    breathing=Breathing(
        bound=words(
            "le la les l un une des du de au aux à en dans sur sous pour par avec sans chez vers entre "
            "depuis mon ton son ma ta sa mes tes ses notre votre leur ce cet cette ces chaque très plus "
            "ne pas est sont était a ont se me te je tu il elle nous vous ils elles on monsieur madame "
            "dr"
        ),
        clause_openers=words("mais parce car puisque quand lorsque si qui dont où tandis sinon alors donc bien comme"),
        joiners=frozenset({"et", "ou", "puis", "que"}),
        subjects=words(
            "je tu il elle nous vous ils elles on ce c'est j'ai ensuite puis si quand voulez souhaitez "
            "pouvez le la les"
        ),
        prepositions=words("à en dans sur pour par avec sans chez vers entre depuis de"),
        abbreviations=words("m mme mlle dr etc ex av env tél"),
        closing_abbreviations=frozenset({"etc"}),
    ),
    guidance="Tu parles, tu n'écris pas : réponds en {count} phrases courtes au plus, sauf si on te demande davantage.",
    guidance_form=_FEMININE,
    nouns={
        _FEMININE: words(
            "semaine semaines journée journées année années nuit nuits fois personne personnes place places chambre "
            "chambres table tables question questions réservation réservations commande commandes facture factures "
            "carte cartes bouteille bouteilles option options"
        ),
    },
    ordinals={
        "er": "ordinal-masculine", "re": "ordinal-feminine", "ère": "ordinal-feminine", "e": "ordinal-masculine",
        "ème": "ordinal-masculine",
    },
)  # fmt: skip
