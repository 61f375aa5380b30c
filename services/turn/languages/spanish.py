"""Spanish. No preposition ends a turn; "este" alone is a filler, and "si" without its accent may be a yes."""

from __future__ import annotations

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
