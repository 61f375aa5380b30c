"""Spanish. A question begins at its inverted mark, wherever in the sentence that stands."""

from __future__ import annotations

import re

from services.common.expected import Expected
from services.orchestrator.expecting.questions import Questions

_LEAD = r"(?:^|¿)(?:(?:y|entonces|bueno|bien|vale|perfecto|gracias|perdone|disculpe|o sea|pues|usted),? )*"
_WHAT = "qué|cuál|cuáles|quién|quiénes|cuándo|dónde|adónde|cómo|cuánto|cuánta|cuántos|cuántas"
_TELL = (
    r"(?:dar|decir|dictar|deletrear|indicar|facilitar|proporcionar|repetir|confirmar|dejar|leer|explicar)"
    r"(?:me|nos|lo|la|le|melo|mela|noslo|nosla)?"
)
_TELLS = "da|das|dice|dices|dicta|deletrea|indica|facilita|proporciona|repite|confirma|deja|dejas"
_NUMBERED = (
    "cuenta|pedido|reserva|referencia|tarjeta|socio|socia|póliza|seguimiento|cliente|factura|serie|expediente|contrato|"
    "caso|orden|envío|afiliado|matrícula|identificación|documento|ticket"
)
_VERBS = (
    "es|son|era|fue|está|están|estaba|tiene|tienes|tienen|hay|ha|han|has|hemos|sigue|siguen|quiere|quieres|desea|deseas|"
    "prefiere|prefieres|necesita|necesitas|conoce|sabe|sabes|vive|vives|recibió|recibe|viene|vienes|confirma|reservo|"
    "hago|va|vas|acepta|queda|funciona|debo|debemos|debería|puedo|podemos|podría|podrías|puede|puedes|llamo|envío|mando|"
    "paso|anoto|cambio|cancelo|gusta|gustaría|parece|importa|importaría|vale|viaja|era"
)
_TAGS = r"\b(?:verdad|correcto|cierto|de acuerdo|vale|sí|no|está bien|le parece bien|le parece|le va bien|es así)\s?\?$"
_YOURS = rf"{_LEAD}(?:su|sus|tu|el|la)\b"
_NOT_YET = r"(?:momento|momentito|segundo|minuto|instante)"

SPANISH = Questions(
    asks_for=re.compile(
        rf"\b(?:{_WHAT})\b.*\?$"
        rf"|\b(?:puede|puedes|podría|podrías|podrá|quiere|quieres|importa|importaría|sería tan amable de)\b"
        rf".*\b{_TELL}\b"
        rf"|\b(?:me|nos) (?:{_TELLS})\b.*\?$"
        r"|\b(?:puedo|podemos|podría|podríamos)\b.*\b(?:saber|tomar|anotar|tener|preguntar|pedir)(?:le|te)?\b"
        r"|\b(?:dígame|dime|díganos|deme|déme|dame|denos|indíqueme|dícteme|deletréeme|deletree|deletréelo|facilíteme|"
        rf"proporcióneme|confírmeme|repítame|déjeme|indique)\b(?! ver\b| comprobar\b| un {_NOT_YET})"
        rf"|\bnecesit(?:o|amos|aría|aríamos|aré)(?: \w+){{0,2}} (?:su|sus|tu|el|la|un|una)\b(?! {_NOT_YET})"
        rf"|{_YOURS}(?!.*\b(?:{_VERBS})\b \w|.*{_TAGS}).*\?$"
    ),
    things=(
        (Expected.SPELLING, re.compile(r"\bdeletr[eé]")),
        (Expected.EMAIL, re.compile(r"\be-?mail\b|\bcorreo\b|\bmail\b")),
        (Expected.PHONE_NUMBER, re.compile(r"\bteléfono\b|\bmóvil\b|\bcelular\b|\bnúmero de contacto\b"
                                           r"|\bnúmero\b.*\b(?:llamar|contactar|localizar|devolver)"
                                           r"|\b(?:llamar|contactar|localizar)\w*.*\bnúmero\b"
                                           r"|\b(?:su|tu|un) número\b(?! d)")),
        (Expected.CODE, re.compile(rf"\bnúmero (?:de|del) (?:la |su |tu )?(?:{_NUMBERED})\b|\bcódigos?\b|\breferencia\b"
                                   r"|\bpin\b|\biban\b|\bdni\b|\bnie\b|\blocalizador\b|\bdígitos\b|\bcifras\b"
                                   r"|\bclave\b|\bmatrícula\b|\bpasaporte\b")),
        (Expected.ADDRESS, re.compile(r"\bdirección\b|\bdomicilio\b|\bnúmero de la calle\b"
                                      r"|\bdónde vive|\ben qué calle\b|\bsu calle\b")),
        (Expected.DATE_TIME, re.compile(r"\bcuándo\b|\bqué (?:día|fecha|hora|mes)\b|\bfecha\b|\bcumpleaños\b"
                                        r"|\b(?:el|un|la|una) (?:día|hora)\b")),
        (Expected.NAME, re.compile(r"\bnombres?\b|\bapellidos?\b|\bcon quién hablo\b|\bquién (?:es|habla|llama)\b"
                                   r"|\bcómo se llama\b|\bcómo te llamas\b")),
        (Expected.NUMBER, re.compile(r"\bcuánt[oa]s?\b|\bqué (?:edad|talla|tamaño|cantidad|importe|altura)\b")),
    ),
    confirms=re.compile(
        rf"{_LEAD}(?:no )?(?:me |nos )?(?:puede|podría|puedes|podrías)\b.*\b(?:decir|confirmar)\w* si\b"
        rf"|{_LEAD}(?:no )?(?:(?:le|te|les|se|lo|la) )?(?!(?:puede|puedes|podría|podrías|puedo|podemos|quiere|quieres|"
        rf"importa|importaría)\b)(?:{_VERBS})\b"
        rf"|{_LEAD}(?:quiere|quieres|le importa|le importaría) que\b"
    ),
    yes_no=re.compile(
        rf"{_LEAD}(?:ya |aún |todavía |también )?(?:no )?(?:(?:le|te|les|se|los?|las?|me|nos) ){{0,2}}(?:{_VERBS})\b"
        rf"|{_YOURS}.*\b(?:{_VERBS})\b \w|{_TAGS}"
    ),
    choice=re.compile(r"\b[ou]\b(?! no\b| sea\b)"),
)  # fmt: skip
