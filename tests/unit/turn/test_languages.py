"""How texts read in German, Spanish and French."""

from __future__ import annotations

import pytest

from services.turn.languages import LANGUAGES, words_in
from services.turn.languages.words import tokens_of
from services.turn.text import Reading, beyond_backchannels, read

pytestmark = pytest.mark.unit

UNFINISHED = {
    "de": ["mein name ist", "ich möchte", "einen tisch für", "und", "ähm", "ich hätte gern einen", "kann ich", "weil",
           "montag oder", "Ich wollte fragen...", "ja und", "könnten sie", "ich brauche", "also", "am",
           "ich habe keine", "Moment", "ja, einen Moment", "am Dienstag, Moment"],
    "es": ["mi nombre es", "quisiera", "una mesa para", "y", "este", "me gustaría una", "porque", "el lunes o",
           "quiero pedir cita con", "eh", "me llamo", "sí y", "¿Me podría", "el", "la cita es", "yo quiero"],
    "fr": ["mon nom est", "je voudrais", "une table pour", "et", "euh", "parce que", "lundi ou", "je m'appelle",
           "est-ce que", "c'est", "oui mais", "pourriez-vous", "j'ai besoin de", "un rendez-vous avec", "à"],
}  # fmt: skip
COMPLETE = {
    "de": ["ja", "nein danke", "Ja, bitte.", "guten tag", "das ist alles", "einen termin am montag bitte", "genau",
           "wie geht es Ihnen", "auf Wiederhören", "ich glaube schon", "Wann haben Sie offen?", "stimmt",
           "danke sehr", "nein, keine"],
    "es": ["sí", "no gracias", "Sí, por favor.", "buenos días", "eso es todo", "una cita el lunes por favor", "vale",
           "creo que sí", "hasta luego", "así es", "¿A qué hora abren?", "está bien", "si"],
    "fr": ["oui", "non merci", "Oui, s'il vous plaît.", "bonjour", "c'est tout",
           "un rendez-vous lundi s\u2019il vous plaît",
           "d'accord", "je crois que oui", "au revoir", "c'est ça", "Vous ouvrez à quelle heure ?", "bien sûr"],
}  # fmt: skip
NEUTRAL = {
    "de": [
        "montag um zehn",
        "ich rufe morgen an",
        "was ist das",
        "maria lopez",
        "wo ist",
        "ich nehme es mit",
        "ich brauche nichts im Moment",
        "das reicht für den Moment",
        "sie kommt jeden Moment",
    ],
    "es": ["el lunes a las diez", "maría lópez", "cómo es", "quiero pedir una cita", "no tengo", "qué hay"],
    "fr": ["lundi à dix heures", "maria lopez", "je viens après", "je voudrais prendre rendez-vous"],
}
BACKCHANNELS = {
    "de": ["mhm", "ja", "Ach so.", "okay, verstehe", "ja genau", "alles klar", "na gut"],
    "es": ["ajá", "sí", "vale", "Ya veo.", "ah, claro que sí", "muy bien", "de acuerdo"],
    "fr": ["mhm", "oui", "d'accord", "Je vois.", "ah oui, très bien", "tout à fait", "voilà"],
}
WORDS = {
    "de": ["nein", "stopp", "warten Sie", "ja aber", "was kostet das"],
    "es": ["no", "espere", "un momento", "sí pero", "cuánto cuesta"],
    "fr": ["non", "attendez", "stop", "oui mais", "combien ça coûte"],
}


def each(texts: dict[str, list[str]]) -> list[tuple[str, str]]:
    assert set(texts) == set(LANGUAGES)
    return [(language, text) for language, all_of in texts.items() for text in all_of]


@pytest.mark.parametrize(("language", "text"), each(UNFINISHED))
def test_unfinished(language: str, text: str) -> None:
    assert read(text, language) is Reading.UNFINISHED


@pytest.mark.parametrize(("language", "text"), each(COMPLETE))
def test_complete(language: str, text: str) -> None:
    assert read(text, f"{language}-XX") is Reading.COMPLETE


@pytest.mark.parametrize(("language", "text"), each(NEUTRAL))
def test_neutral(language: str, text: str) -> None:
    assert read(text, language) is Reading.NEUTRAL


@pytest.mark.parametrize(
    ("language", "text"),
    [("de", "meine nummer ist null eins sieben"), ("es", "seis uno cuatro"), ("fr", "zéro six vingt trente-deux"),
     ("de", "5 5 5"), ("es", "noventa y uno cuarenta dos"), ("fr", "quatre-vingts douze")],
)  # fmt: skip
def test_numbers_being_read_out_are_open(language: str, text: str) -> None:
    assert read(text, language) is Reading.OPEN


@pytest.mark.parametrize(("language", "text"), each(BACKCHANNELS))
def test_backchannels(language: str, text: str) -> None:
    assert beyond_backchannels(text, language) == []


@pytest.mark.parametrize(("language", "text"), each(WORDS))
def test_words_that_want_the_floor(language: str, text: str) -> None:
    assert beyond_backchannels(text, language)


@pytest.mark.parametrize("language", ["pl", "ja-JP"])
def test_a_language_without_a_table_says_only_that_there_are_words(language: str) -> None:
    assert words_in(language) is None
    assert read("nazywam się", language) is Reading.NEUTRAL
    assert read("tak,", language) is Reading.UNFINISHED
    assert read("tak?", language) is Reading.COMPLETE
    assert beyond_backchannels("tak", language) == ["tak"]
    assert beyond_backchannels(" ", language) == []


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_tables_are_written_as_texts_are_read(language: str) -> None:
    words = LANGUAGES[language]
    phrases = [*words.dangling_phrases, *words.complete_endings, *words.backchannel_phrases, *words.not_dangling]
    assert [" ".join(tokens_of(phrase)) for phrase in phrases] == phrases
    singles = words.dangling | words.copulas | words.complete_alone | words.backchannel_words | words.numbers
    assert {token for single in singles for token in tokens_of(single)} == singles
    assert read("...", language) is Reading.UNFINISHED
    assert read("\u00bf", language) is Reading.UNKNOWN
