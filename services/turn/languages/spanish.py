"""Spanish. No preposition ends a turn; "este" alone is a filler, and "si" without its accent may be a yes."""

from __future__ import annotations

import re

from services.turn.languages.answers import SAID_APART, AnswerWords, PhoneLength, spelled
from services.turn.languages.words import LanguageWords, listed

SPANISH = LanguageWords(
    dangling=listed(
        "y e o u pero porque si cuando mientras que aunque como donde sino ni pues entonces "
        "el la los las un una unos unas mi mis tu tus su sus nuestro nuestra nuestros nuestras cada algún ningún "
        "a de del al en con por para sin sobre entre hasta desde hacia según durante eh em este mmm "
        "quisiera busco"
    ),
    dangling_phrases=(
        "me gustaría", "nos gustaría", "queremos", "me llamo", "me puede", "me podría", "podría", "puede usted",
        "a ver", "o sea", "es que", "digamos", "déjeme ver", "déjame ver", "déjeme pensar", "un momento", "un segundo",
        "espere", "por ejemplo", "tal vez", "dígame", "puedo", "podría usted", "yo",
    ),
    copulas=listed("es son está están soy estoy somos era fue será quiero tengo hay necesito"),
    before_copula=listed("lo así sí no eso cómo qué cuál quién"),
    question_words=listed("qué cuál cuáles cómo cuándo dónde quién cuánto cuánta cuántos cuántas"),
    numbers=listed(
        "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince veinte cien mil"
    ),
    number_endings=("enta", "einta"),
    complete_alone=listed(
        "sí si no claro vale bueno bien correcto exacto exactamente perfecto gracias hola adiós listo genial estupendo "
        "ok okay dale ayuda alto disculpe perdón cierto buenas buenos días tardes noches"
    ),
    complete_endings=(
        "por favor", "gracias", "muchas gracias", "adiós", "hasta luego", "hasta mañana", "hasta pronto", "eso es todo",
        "es todo", "eso es", "nada más", "está bien", "de acuerdo", "así es", "es correcto", "creo que sí",
        "creo que no", "claro que sí", "por supuesto", "de nada", "no importa", "cómo está", "cómo está usted",
        "qué tal", "buenos días", "buenas tardes", "buenas noches", "ningún problema", "para nada", "soy yo",
    ),
    backchannel_words=listed(
        "sí si ajá aja mhm mm mmm hm eh ah oh ok okay vale bueno bien claro ya exacto genial perfecto cierto entiendo"
    ),
    backchannel_phrases=("ya veo", "de acuerdo", "está bien", "por supuesto", "claro que sí", "muy bien", "lo sé"),
)  # fmt: skip

_UNITS = "uno una un dos tres cuatro cinco seis siete ocho nueve"
_TEENS = (
    "diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintiún veintiuna "
    "veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve"
)
_TENS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa"
_HUNDREDS = (
    "cien ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
)
_UNIT, _TEEN, _TEN, _HUNDRED = ("|".join(words.split()) for words in (_UNITS, _TEENS, _TENS, _HUNDREDS))

SPANISH_ANSWERS = AnswerWords(
    figures={"cero": 1, "mil": 4} | dict.fromkeys(_UNITS.split(), 1)
    | dict.fromkeys(f"{_TEENS} {_TENS}".split(), 2) | dict.fromkeys(_HUNDREDS.split(), 3),
    times={"doble": 2, "triple": 3},
    phone=PhoneLength(least=9, whole=9, abroad=2),  # in Spain; a pause in one of ten lies before the ninth or behind it
    fillers=listed("eh em este mmm hm ehm"),
    yes_no=listed("sí si no claro vale bueno exacto exactamente correcto cierto ok okay dale efectivamente"),
    hedged=frozenset(
        {"quizás", "quizá", "tal vez", "a lo mejor", "puede ser", "puede", "probablemente", "depende", "a veces",
         "todavía no", "aún no", "creo que sí", "creo que no", "supongo que sí", "supongo", "me parece que sí",
         "en realidad no", "no mucho", "no del todo", "hoy no", "ahora no", "los dos", "ninguno", "ninguno de los dos",
         "me da igual", "me va bien", "me parece bien", "adelante", "no lo sé", "no sé", "pues sí", "pues no"}
    ),
    assent=listed(
        "sí si claro vale bueno bien ok okay dale hola gracias por supuesto de acuerdo cómo que con mucho gusto "
        "perfecto un momento momentito segundo favor pues mire"
    ),
    denial=listed("no ningún ninguno ninguna tampoco olvidé olvidado"),
    name_lead=listed("sí si vale claro me llamo soy mi nombre es el la a de don doña señor señora habla está"),
    numbers=listed(f"cero {_UNITS} {_TEENS} {_TENS} {_HUNDREDS} mil par docena"),
    open_numbers=listed(f"{_TENS} {_HUNDREDS} mil"),
    articles=("un", "una"),
    at=("arroba",),
    dot="punto",
    months=listed(
        "enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre"
    ),
    days=re.compile(rf"primero|\d+|{_UNIT}|{_TEEN}|{_TEN}"),
    half_dates=listed("día próximo mil"),
    broken_dates=listed("menos cerca las la y"),
    before_day=listed("el día"),
    whole_time=re.compile(
        r"(?:.* )?(?:y media|(?:y|menos) cuarto|en punto|de la (?:mañana|tarde|noche)|mediodía|medianoche|"
        r"esta (?:tarde|noche)|cuando sea|cuando quiera|cuanto antes|lo antes posible|a cualquier hora|[ap]m)"
    ),
    streets=re.compile("calle|avenida|avda|plaza|paseo|camino|ronda|carretera|travesía|callejón|rambla"),
    street_name_words=4,
    is_number_first=False,
    rewrites=(
        SAID_APART,
        spelled("(?:de|como)"),
        (re.compile(rf"\b(?:{_TEN}) y (?:{_UNIT})\b"), "00"),
        (re.compile(rf"\b(?:(?:{_UNIT}) )?mil(?: (?:{_HUNDRED}))?(?: (?:00|{_TEEN}|{_TEN}|{_UNIT}))?\b"), "0000"),
        (re.compile(rf"\b(?:{_HUNDRED}) (?:00|{_TEEN}|{_TEN}|{_UNIT})\b"), "000"),
    ),
    letters=listed("be ce efe ge hache jota ka ele eme ene eñe erre te uve equis zeta"),
    goes_on=listed(
        "doble triple más prefijo número guion guión barra punto bajo calle avenida plaza paseo como piso puerta "
        "portal es"
    ),
    postcode_figures=5,
)  # fmt: skip
