"""German. Its verbs stand last, and its prepositions end verbs: "ich rufe an" is whole, so "an" is not in the table."""

from __future__ import annotations

from services.turn.languages.words import LanguageWords, listed

GERMAN = LanguageWords(
    dangling=listed(
        "und oder aber weil wenn dass ob als sondern obwohl bevor nachdem sowie "
        "der die den dem des ein eine einen einem eines mein meine meinen meinem meiner dein deine deinen sein seine "
        "seinen ihre ihren unser unsere unseren kein keine keinen jeden jede dieser diese dieses diesen diesem "
        "für von bei seit gegen ohne zwischen wegen während in im am beim zum zur vom ins ans äh ähm öh öhm hm hmm "
        "also möchte würde wollte sehr"
    ),
    dangling_phrases=(
        "kann ich", "könnte ich", "möchte ich", "hätte ich", "würde ich", "ich will", "ich brauche", "ich suche",
        "ich heiße", "ich habe", "würde gerne", "würde gern", "hätte gerne", "hätte gern", "möchte gerne",
        "möchten gerne", "wir möchten", "wir haben", "wir brauchen", "es geht um", "und zwar", "das heißt",
        "können sie", "könnten sie", "haben sie", "sagen sie mir", "geben sie mir", "warten sie", "lassen sie mich",
        "einen moment", "moment", "moment mal", "mal sehen", "zum beispiel", "wie wäre es mit", "einen tisch",
    ),
    copulas=listed("ist sind bin war waren"),
    before_copula=listed("ja nein das es ich wie so"),
    question_words=listed("was wer wie wo wann warum wohin woher welche welcher welches wieviel ob"),
    numbers=listed("null eins zwei zwo drei vier fünf sechs sieben acht neun zehn elf zwölf hundert tausend"),
    number_endings=("zehn", "zig", "ßig"),
    complete_alone=listed(
        "ja nein doch jawohl genau richtig stimmt gut okay ok klar sicher natürlich gerne gern bitte danke dankeschön "
        "hallo tschüss tschüs servus moin super perfekt prima toll wunderbar entschuldigung verzeihung hilfe stopp "
        "halt nee nö schon guten tag morgen abend keine keinen keiner"
    ),
    complete_endings=(
        "bitte", "bitte sehr", "danke", "danke sehr", "danke schön", "vielen dank", "auf wiedersehen",
        "auf wiederhören", "tschüss", "das ist alles", "das war alles", "das war's", "das wäre alles", "das wär's",
        "das stimmt", "stimmt", "stimmt so", "genau",
        "richtig", "in ordnung", "passt", "passt so", "alles klar", "schönen tag noch", "gute nacht", "sonst nichts",
        "nichts weiter", "kein problem", "ich glaube schon", "glaube ich", "denke schon", "wie geht es ihnen",
        "wie bitte", "das ist richtig", "so ist es", "das bin ich", "ich nicht", "auch nicht",
    ),
    backchannel_words=listed(
        "ja jaja jo mhm mm mmm hm hmm aha ah ach oh so okay ok gut genau klar richtig stimmt verstehe schön super toll "
        "prima interessant äh ähm"
    ),
    backchannel_phrases=("ich verstehe", "alles klar", "in ordnung", "na gut", "schon klar", "ich weiß", "sehr gut"),
    not_dangling=("im moment", "den moment", "diesem moment", "jeden moment", "letzten moment"),
)  # fmt: skip
