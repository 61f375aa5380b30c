"""How texts read as answers in German, Spanish and French."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.expected import Expected
from services.turn.answers import is_begun, read_answer
from services.turn.languages import ANSWERS, LANGUAGES
from services.turn.languages.words import tokens_of
from services.turn.text import Reading, read

pytestmark = pytest.mark.unit

READ = {
    "de": {
        Expected.YES_NO: {
            Reading.COMPLETE: ["ja", "nein das stimmt nicht", "ja das passt", "eigentlich nicht", "Ich glaube schon.",
                               "vielleicht", "ja am montag"],
            Reading.UNFINISHED: ["ja aber", "nein ich möchte", "ja und äh"],
            Reading.NEUTRAL: ["ja am dienstag nachmittag gegen drei", "montag"],
        },
        Expected.CHOICE: {Reading.COMPLETE: ["vormittags", "das zweite"], Reading.UNFINISHED: ["den", "lieber im"]},
        Expected.NUMBER: {
            Reading.COMPLETE: ["vier", "für zwei personen", "fünfundzwanzig", "12", "eine", "zwanzig"],
            Reading.NEUTRAL: ["hundert", "viele"],
            Reading.UNFINISHED: ["zwei oder", "eine,"],
        },
        Expected.PHONE_NUMBER: {
            Reading.UNFINISHED: ["null eins sieben sechs", "meine nummer ist null drei null", "0176",
                                 "zwo vier äh fünf",
                                 "plus vier neun", "die vorwahl", "doppel", "meine nummer lautet",
                                 "null eins siebenundvierzig"],
            Reading.OPEN: ["null eins sieben sechs zwo drei vier", "030 123456", "ja gerne", "einen Moment bitte",
                           "null acht neun dreiundzwanzig vierundvierzig", "+49 30 1234567",
                           "null eins sieben sechs doppelfünf zwei"],
            Reading.COMPLETE: ["01761234567", "null eins sieben sechs zwo drei vier fünf sechs sieben acht",
                               "0176/12345678", "+49 176 12345678", "nein",
                               "null eins sieben sechs zwölf vierunddreißig sechsundfünfzig achtzehn"],
            Reading.NEUTRAL: ["ich weiß sie nicht"],
        },
        Expected.CODE: {
            Reading.UNFINISHED: ["b vier", "sieben zwo eins", "die ist", "k wie kaufmann drei"],
            Reading.OPEN: ["b vier sieben neun", "10115", "ja", "eins null eins eins fünf"],
            Reading.NEUTRAL: ["acht eins fünf sechs sechs zwei neun eins"],
        },
        Expected.NAME: {
            Reading.COMPLETE: ["maria lopez", "mein name ist hans müller", "ich bin die anna schmidt"],
            Reading.NEUTRAL: ["maria", "ich bin anna"],
            Reading.UNFINISHED: ["mein name ist", "ich heiße"],
        },
        Expected.SPELLING: {
            Reading.UNFINISHED: ["m e", "m wie martha", "m wie martha e wie", "M-E"],
            Reading.OPEN: ["m e i e r", "M-Ü-L-L-E-R", "müller", "ja", "m wie martha e wie emil i wie ida",
                           "martha emil ida"],
            Reading.COMPLETE: ["das ist alles"],
            Reading.NEUTRAL: ["das habe ich vergessen"],
        },
        Expected.EMAIL: {
            Reading.UNFINISHED: ["maria at", "maria ät gmail", "maria klammeraffe gmx punkt", "maria@gmx",
                                 "maria punkt", "hans bindestrich"],
            Reading.OPEN: ["maria punkt lopez", "okay", "maria.lopez"],
            Reading.COMPLETE: ["maria punkt lopez at gmx punkt de", "maria.lopez@web.de", "maria at gmx.de"],
            Reading.NEUTRAL: ["ich habe keine mail"],
        },
        Expected.DATE_TIME: {
            Reading.COMPLETE: ["um zehn uhr", "um halb acht", "viertel nach drei", "zehn uhr dreißig", "10:30",
                               "am 12.3.2026", "2026-03-12"],
            Reading.OPEN: ["im märz", "am dritten", "am 3.", "2026-03", "neunzehnhundert"],
            Reading.NEUTRAL: ["am dritten märz", "dienstag", "am 12.3."],
            Reading.UNFINISHED: ["um halb", "viertel nach", "dienstag um", "um viertel"],
        },
        Expected.ADDRESS: {
            Reading.OPEN: ["hauptstraße", "hauptstraße zwölf", "Hauptstr. 12 a", "zwölf", "am alten markt weg 3",
                           "hauptstraße zwölf 10115"],
            Reading.NEUTRAL: ["hauptstraße zwölf berlin", "10115 berlin"],
            Reading.UNFINISHED: ["in der", "hausnummer"],
        },
    },
    "es": {
        Expected.YES_NO: {
            Reading.COMPLETE: ["sí", "no eso no", "sí está bien", "creo que sí", "a lo mejor", "todavía no",
                               "vale el lunes"],
            Reading.UNFINISHED: ["sí pero", "no porque", "sí y eh"],
            Reading.NEUTRAL: ["sí el martes a las tres de tarde", "lunes"],
        },
        Expected.CHOICE: {Reading.COMPLETE: ["la segunda", "por la mañana"], Reading.UNFINISHED: ["la", "por la"]},
        Expected.NUMBER: {
            Reading.COMPLETE: ["cuatro", "para dos personas", "treinta y cinco", "12", "una", "veintiuno"],
            Reading.NEUTRAL: ["treinta", "cien", "muchos"],
            Reading.UNFINISHED: ["unos", "treinta y", "dos o"],
        },
        Expected.PHONE_NUMBER: {
            Reading.UNFINISHED: ["seis uno dos", "es el seiscientos doce", "612 34", "doble", "más treinta y cuatro",
                                 "seiscientos doce treinta y cuatro eh cincuenta y seis", "el seis doble cinco",
                                 "noventa y uno cuatro cuatro cinco", "61234567"],
            Reading.OPEN: ["sí claro", "por supuesto", "un momento por favor"],
            Reading.COMPLETE: ["612345678", "seiscientos doce trescientos cuarenta y cinco seiscientos setenta y ocho",
                               "seis uno dos treinta y cuatro cincuenta y seis setenta y ocho", "+34 612 34 56 78",
                               "noventa y uno cuatro cuatro cinco doble seis doce", "no", "55 12 34 56 78"],
            Reading.NEUTRAL: ["no me acuerdo"],
        },
        Expected.CODE: {
            Reading.UNFINISHED: ["b cuatro", "siete dos uno", "el código es", "b de barcelona cuatro"],
            Reading.OPEN: ["b cuatro siete nueve", "28013", "sí", "veintiocho cero trece"],
            Reading.NEUTRAL: ["ocho uno cinco seis seis dos nueve uno"],
        },
        Expected.NAME: {
            Reading.COMPLETE: ["maría lópez", "me llamo juan garcía", "soy la señora ana ruiz"],
            Reading.NEUTRAL: ["maría", "soy ana"],
            Reading.UNFINISHED: ["mi nombre es", "me llamo", "maría de la"],
        },
        Expected.SPELLING: {
            Reading.UNFINISHED: ["g a", "b de barcelona", "b de barcelona a de", "G-A", "hache"],
            Reading.OPEN: ["g a r c i a", "garcía", "sí claro", "eme a erre te i ene",
                           "b de barcelona a de antonio s de sevilla"],
            Reading.COMPLETE: ["eso es todo"],
            Reading.NEUTRAL: ["no sé deletrearlo"],
        },
        Expected.EMAIL: {
            Reading.UNFINISHED: ["maría arroba", "maría arroba gmail", "maría arroba gmail punto", "maria@gmail",
                                 "maría punto", "juan guion bajo"],
            Reading.OPEN: ["maría punto lópez", "vale", "maria.lopez"],
            Reading.COMPLETE: ["maría punto lópez arroba gmail punto com", "maria.lopez@gmail.com",
                               "maría arroba gmail.com"],
            Reading.NEUTRAL: ["no tengo correo"],
        },
        Expected.DATE_TIME: {
            Reading.COMPLETE: ["a las tres y media", "a las diez en punto", "a las cinco de la tarde", "10:30",
                               "a las cuatro menos cuarto", "el 12/3/2026", "al mediodía"],
            Reading.OPEN: ["en marzo", "el tres", "el día 3", "03/2026"],
            Reading.NEUTRAL: ["el tres de marzo", "el martes", "a las diez", "el treinta y uno de mayo"],
            Reading.UNFINISHED: ["el tres de", "a las", "a las tres y", "las cuatro menos"],
        },
        Expected.ADDRESS: {
            Reading.OPEN: ["calle mayor", "calle mayor doce", "calle mayor número 12", "avenida de la constitución 3",
                           "doce", "calle mayor doce 28013", "vivo en la calle alcalá treinta y cinco"],
            Reading.NEUTRAL: ["calle mayor doce madrid", "28013 madrid"],
            Reading.UNFINISHED: ["calle", "calle mayor número", "en la calle de"],
        },
    },
    "fr": {
        Expected.YES_NO: {
            Reading.COMPLETE: ["oui", "non c'est faux", "oui ça me va", "pas vraiment", "Je crois que oui.",
                               "peut-être", "oui lundi"],
            Reading.UNFINISHED: ["oui mais", "non je voudrais", "oui et euh"],
            Reading.NEUTRAL: ["oui mardi après-midi vers trois heures", "lundi"],
        },
        Expected.CHOICE: {Reading.COMPLETE: ["le matin", "la deuxième"], Reading.UNFINISHED: ["le", "plutôt dans la"]},
        Expected.NUMBER: {
            Reading.COMPLETE: ["quatre", "pour deux personnes", "vingt-cinq", "vingt et un", "12", "une",
                               "soixante-dix-huit", "soixante quinze"],
            Reading.NEUTRAL: ["vingt", "soixante", "quatre-vingts", "cent", "beaucoup"],
            Reading.UNFINISHED: ["deux ou", "vingt et", "un euh"],
        },
        Expected.PHONE_NUMBER: {
            Reading.UNFINISHED: ["zéro six", "c'est le zéro six douze", "06 12 34", "zéro six douze euh trente-quatre",
                                 "zéro six douze trente-quatre cinquante-six", "plus trente-trois", "zéro un",
                                 "zéro six soixante-dix quatre-vingt-dix-neuf",
                                 "zéro six soixante dix-huit vingt et un",
                                 "quatre vingt dix neuf"],
            Reading.OPEN: ["oui bien sûr", "un instant s'il vous plaît",
                           "zéro quatre soixante-dix douze trente-quatre un",
                           "d'accord"],
            Reading.COMPLETE: ["0612345678", "zéro six douze trente-quatre cinquante-six soixante-dix-huit",
                               "06.12.34.56.78", "zéro six douze trente quatre cinquante six soixante dix huit",
                               "zéro un quatre-vingt-dix-neuf quatre-vingts soixante et onze dix-sept",
                               "+33 6 12 34 56 78",
                               "non"],
            Reading.NEUTRAL: ["je ne sais plus lequel"],
        },
        Expected.CODE: {
            Reading.UNFINISHED: ["b quatre", "sept deux un", "le code est", "b comme bernard quatre"],
            Reading.OPEN: ["b quatre sept neuf", "75011", "oui", "soixante-quinze zéro onze"],
            Reading.NEUTRAL: ["huit un cinq six six deux neuf un"],
        },
        Expected.NAME: {
            Reading.COMPLETE: ["marie dupont", "je m'appelle jean martin", "c'est madame claire petit"],
            Reading.NEUTRAL: ["marie", "c'est claire"],
            Reading.UNFINISHED: ["mon nom est", "je m'appelle", "charles de"],
        },
        Expected.SPELLING: {
            Reading.UNFINISHED: ["d u", "d comme désiré", "d comme désiré u comme", "D-U"],
            Reading.OPEN: ["d u p o n t", "dupont", "oui", "d comme désiré u comme ursule p comme pierre"],
            Reading.COMPLETE: ["c'est tout"],
            Reading.NEUTRAL: ["je ne peux pas"],
        },
        Expected.EMAIL: {
            Reading.UNFINISHED: ["marie arobase", "marie arobase orange", "marie arobase orange point", "marie@orange",
                                 "marie point", "jean tiret"],
            Reading.OPEN: ["marie point dupont", "d'accord", "marie.dupont"],
            Reading.COMPLETE: ["marie point dupont arobase orange point fr", "marie.dupont@orange.fr",
                               "marie arobase orange.fr"],
            Reading.NEUTRAL: ["je n'ai pas d'adresse"],
        },
        Expected.DATE_TIME: {
            Reading.COMPLETE: ["à dix heures", "à trois heures et demie", "dix heures moins le quart", "10h30",
                               "à midi",
                               "le 12/3/2026", "à neuf heures du matin"],
            Reading.OPEN: ["en mars", "le trois", "le 3", "2026-03", "le trente et un"],
            Reading.NEUTRAL: ["le trois mars", "mardi", "le premier avril", "dix heures quinze"],
            Reading.UNFINISHED: ["trois heures moins", "à", "mardi à", "trois heures et"],
        },
        Expected.ADDRESS: {
            Reading.UNFINISHED: ["douze", "12 rue", "douze rue de la", "vingt-trois"],
            Reading.OPEN: ["douze rue victor hugo", "12 avenue de la république", "12 rue victor hugo 75011"],
            Reading.NEUTRAL: ["12 rue victor hugo 75011 paris"],
        },
    },
}  # fmt: skip
CASES = [
    (tag, kind, reading, text)
    for tag, kinds in READ.items()
    for kind, by in kinds.items()
    for reading, texts in by.items()
    for text in texts
]


@pytest.mark.parametrize(("language", "expected", "reading", "text"), CASES)
def test_an_answer_is_read_in_the_light_of_what_was_asked(
    language: str, expected: Expected, reading: Reading, text: str
) -> None:
    assert read_answer(text, expected, f"{language}-XX") is reading


def test_every_language_with_a_table_is_tried_with_every_kind() -> None:
    assert set(READ) | {"", "en"} == set(ANSWERS)
    assert set(READ) == set(LANGUAGES)
    assert all(set(kinds) == set(Expected) - {Expected.UNSPECIFIED, Expected.ANYTHING} for kinds in READ.values())


@pytest.mark.parametrize("expected", [Expected.UNSPECIFIED, Expected.ANYTHING])
def test_where_anything_may_come_a_text_is_read_by_itself(expected: Expected) -> None:
    for language, _, _, text in CASES:
        assert read_answer(text, expected, language) is read(text, language)


@pytest.mark.parametrize("expected", Expected)
def test_in_a_language_without_a_table_a_text_is_read_by_itself(expected: Expected) -> None:
    for _, _, _, text in CASES:
        assert read_answer(text, expected, "nl-NL") is read(text, "nl")
    assert not is_begun("0176 234", "nl")


@pytest.mark.parametrize(
    ("language", "begun", "other"),
    [
        ("de", ["ja gerne", "null eins sieben", "anna at gmx", "m wie martha"], ["warum wollen sie das wissen"]),
        ("es", ["sí claro", "treinta y cinco", "ana arroba gmail"], ["para qué lo necesita"]),
        ("fr", ["bien sûr", "zéro six", "anne arobase orange", "d comme désiré"], ["pourquoi cette question"]),
    ],
)
def test_the_beginning_of_an_answer_that_is_read_out(language: str, begun: list[str], other: list[str]) -> None:
    assert all(is_begun(text, language) for text in begun)
    assert not any(is_begun(text, language) for text in other)


@pytest.mark.parametrize(("tag", "said", "figures"), [
    ("de", "einundzwanzig", 2), ("de", "zwohundertdreiundvierzig", 3), ("de", "doppelfünf drei", 3),
    ("de", "zweimal die sieben", 2), ("de", "dreimal die null", 3), ("de", "neunzehnhundert", 0),
    ("es", "noventa y nueve", 2), ("es", "novecientos dos doble cero", 5), ("es", "veintitrés quinientos", 5),
    ("fr", "quatre-vingt-dix-neuf", 2), ("fr", "soixante et onze", 2), ("fr", "vingt-deux zéro trois", 4),
    ("fr", "quatre-vingts", 2), ("fr", "deux cent douze", 3),
])  # fmt: skip
def test_figures_are_counted_as_they_are_said(tag: str, said: str, figures: int) -> None:
    words = ANSWERS[tag]
    assert words.figures_at_end(words.rewritten(tokens_of(said))) == figures


@pytest.mark.parametrize("tag", sorted(READ))
def test_the_words_of_a_table_are_such_as_texts_are_split_into(tag: str) -> None:
    words = ANSWERS[tag]
    singles = (
        words.figures.keys() | words.times.keys() | words.fillers | words.yes_no | words.assent | words.denial
        | words.name_lead | words.numbers | words.open_numbers | set(words.at) | {words.dot} | words.months
        | words.half_dates | words.letters | words.goes_on | words.broken_dates | words.before_day | set(words.articles)
    )  # fmt: skip
    assert {token for single in singles for token in tokens_of(single)} == singles
    assert {" ".join(tokens_of(phrase)) for phrase in words.hedged} == words.hedged


@given(text=st.text(), expected=st.sampled_from(Expected), language=st.sampled_from(sorted(ANSWERS)))
def test_any_text_can_be_read(text: str, expected: Expected, language: str) -> None:
    assert read_answer(text, expected, language) in Reading
