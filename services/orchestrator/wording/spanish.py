"""Spanish."""

from __future__ import annotations

from services.orchestrator.wording.language import Breathing, Currency, Date, Language, Noun, Signs, words
from services.orchestrator.wording.numbers import CARDINAL, spell

_MONTHS = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
    "diciembre",
)  # fmt: skip
_MASCULINE, _FEMININE = "cardinal-masculine", "cardinal-feminine"


def _time(hour: int, minute: int, half_day: str) -> str:
    hours = spell("es", str(hour), _FEMININE)
    said = f"{hours} {half_day}".rstrip() if not minute else f"{hours} {spell('es', str(minute))} {half_day}".rstrip()
    return said if minute or half_day else f"{hours} en punto"


def _day(day: str, before: str) -> str:
    return "primero" if day == "1" else spell("es", day)


def _date(date: Date) -> str:
    year = f" de {spell('es', date.year)}" if date.year else ""
    return f"{_day(str(date.day), '')} de {_MONTHS[date.month - 1]}{year}"


def _money(whole: str, hundredths: str, hundredths_alone: str) -> str:
    if not whole:
        return hundredths
    return f"{whole} con {hundredths_alone}" if hundredths else whole


def _noun(one: str, many: str = "", form: str = _MASCULINE) -> Noun:
    return Noun(one, many or f"{one}s", form)


_CENT = _noun("céntimo")
_CENTAVO = _noun("centavo")

SPANISH = Language(
    code="es",
    decimal=",",
    groups=".\u202f\u00a0",
    signs=Signs(
        point="coma", minus="menos", percent="por ciento", to="a", ampersand="y", at="arroba", dot="punto",
        slash="barra",
        dash="guion", underscore="guion bajo", plus="más", equals="igual a", times="por", over="entre", about="unos",
        number="número",
    ),
    currencies={
        "€": Currency(_noun("euro"), _CENT), "EUR": Currency(_noun("euro"), _CENT),
        "$": Currency(_noun("dólar", "dólares"), _CENTAVO), "USD": Currency(_noun("dólar", "dólares"), _CENTAVO),
        "£": Currency(_noun("libra", form=_FEMININE), _noun("penique")),
    },
    scales={
        "millones": Noun("millón de", "millones de", _MASCULINE), "millón": Noun("millón de", "millones de",
        _MASCULINE),
        "mil": Noun("mil", "mil", _MASCULINE),
    },
    units={
        "km": _noun("kilómetro"), "m": _noun("metro"), "cm": _noun("centímetro"), "mm": _noun("milímetro"),
        "kg": _noun("kilo"), "g": _noun("gramo"), "mg": _noun("miligramo"), "l": _noun("litro"),
        "ml": _noun("mililitro"),
        "m²": _noun("metro cuadrado", "metros cuadrados"), "km/h": _noun("kilómetro por hora", "kilómetros por hora"),
        "°C": _noun("grado Celsius", "grados Celsius"), "°": _noun("grado"), "h": _noun("hora", form=_FEMININE),
        "min": _noun("minuto"), "s": _noun("segundo"), "kWh": _noun("kilovatio hora", "kilovatios hora"),
        "MB": _noun("megabyte"), "GB": _noun("gigabyte"),
    },
    abbreviations={
        "Sr.": "señor", "Sra.": "señora", "Srta.": "señorita", "Dr.": "doctor", "Dra.": "doctora", "Ud.": "usted",
        "Uds.": "ustedes", "p. ej.": "por ejemplo", "p.ej.": "por ejemplo", "etc.": "etcétera", "Av.": "avenida",
        "Avda.": "avenida", "C/": "calle", "n.º": "número", "tel.": "teléfono", "aprox.": "aproximadamente",
    },
    months=_MONTHS,
    month_abbreviations=("", "", "", "", "", "", "", "", "", "", "", ""),
    year_cues=frozenset(),
    number_cues=frozenset({"número", "código", "pin", "cuenta", "referencia", "pedido", "reserva", "postal"}),
    fractions={"1/2": "medio", "1/3": "un tercio", "2/3": "dos tercios", "1/4": "un cuarto", "3/4": "tres cuartos"},
    halves={_FEMININE: "media"},
    half_days={
        "a.m.": "de la mañana", "p.m.": "de la tarde", "am": "de la mañana", "pm": "de la tarde",
        "a. m.": "de la mañana",
        "p. m.": "de la tarde",
    },
    time=_time,
    date=_date,
    day_form=_day,
    money=_money,
    letters={"-": "guion", "_": "guion bajo", ".": "punto", "/": "barra", "@": "arroba", "+": "más"},
    breathing=Breathing(
        bound=words(
            "el la los las un una unos unas lo al del de en a con por para sin sobre entre desde hasta "
            "mi tu su nuestro nuestra este esta ese esa cada muy más no es son era está están se me te "
            "le nos les que señor señora dr"
        ),
        clause_openers=words("pero porque aunque mientras cuando si como donde quien cuyo sino pues así entonces"),
        joiners=frozenset({"y", "o", "e", "u", "que"}),
        subjects=words(
            "yo tú él ella usted nosotros ellos ellas ustedes no si luego después puede podemos quiere "
            "le la el se hay"
        ),
        prepositions=words("en a con por para sin sobre entre desde hasta de"),
        abbreviations=words("sr sra srta dr dra ud uds etc av avda tel aprox ej p n"),
        closing_abbreviations=frozenset({"etc"}),
    ),
    guidance="Estás hablando, no escribiendo: responde en {count} frases cortas como máximo, salvo que te pidan más.",
    guidance_form=_FEMININE,
    nouns={
        _MASCULINE: words(
            "día días mes meses año años euro euros dólar dólares céntimo céntimos centavo centavos huésped huéspedes "
            "niño niños adulto adultos pedido pedidos artículo artículos producto productos paquete paquetes billete "
            "billetes asiento asientos punto puntos paso pasos"
        ),
        _FEMININE: words(
            "semana semanas noche noches persona personas libra libras vez veces cita citas mesa mesas plaza plazas "
            "habitación habitaciones cama camas entrada entradas pregunta preguntas reserva reservas factura facturas "
            "opción opciones botella botellas tarjeta tarjetas"
        ),
    },
    cases={"la": {CARDINAL: _FEMININE}, "las": {CARDINAL: _FEMININE}},
    ordinals={
        "º": "ordinal-masculine", "ª": "ordinal-feminine", ".º": "ordinal-masculine", ".ª": "ordinal-feminine",
        "er": "ordinal-masculine-adjective",
    },
)  # fmt: skip
