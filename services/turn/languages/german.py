"""German. Its verbs stand last, and its prepositions end verbs: "ich rufe an" is whole, so "an" is not in the table."""

from __future__ import annotations

import re

from services.turn.languages.answers import SAID_APART, AnswerWords, PhoneLength, spelled
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

_UNITS = "eins ein zwei zwo drei vier fünf sechs sieben acht neun"
_TEENS = "zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn"
_TENS = "zwanzig dreißig dreissig vierzig fünfzig sechzig siebzig achtzig neunzig"
_UNIT, _TEEN, _TEN = ("|".join(words.split()) for words in (_UNITS, _TEENS, _TENS))
_JOINED = rf"(?:{_UNIT})und(?:{_TEN})"
_BELOW_100 = rf"{_JOINED}|{_TEEN}|{_TEN}|{_UNIT}"
_MINUTES = rf"\d{{1,2}}|{_UNIT}|{_TEEN}|{_TEN}|00"

GERMAN_ANSWERS = AnswerWords(
    figures={"null": 1} | dict.fromkeys(_UNITS.split(), 1) | dict.fromkeys(f"{_TEENS} {_TENS}".split(), 2)
    | {"hundert": 3, "tausend": 4},
    times={"doppel": 2, "doppelt": 2, "zweimal": 2, "dreimal": 3},
    phone=PhoneLength(least=7, whole=11, abroad=1),  # 7 to 13; a mobile number has 11 or 12
    fillers=listed("äh ähm öh öhm hm hmm em"),
    yes_no=listed("ja jawohl nein doch nee nö jo genau richtig stimmt klar sicher natürlich gerne gern okay ok"),
    hedged=frozenset(
        {"vielleicht", "wahrscheinlich", "vermutlich", "manchmal", "beides", "keins von beiden", "noch nicht",
         "eher nicht", "eigentlich nicht", "eigentlich schon", "nicht wirklich", "heute nicht", "jetzt nicht",
         "im moment nicht", "gar nicht", "überhaupt nicht", "leider nicht", "leider nein", "ich glaube nicht",
         "ich denke schon", "ich denke ja", "ich glaube ja", "kann sein", "kann schon sein", "das passt", "geht klar",
         "von mir aus", "meinetwegen", "können wir machen", "das geht", "weiß nicht", "ich weiß nicht"}
    ),
    assent=listed(
        "ja jawohl genau richtig klar sicher natürlich gerne gern okay ok gut also hallo danke selbstverständlich "
        "einen eine moment augenblick sekunde bitte"
    ),
    denial=listed("nein nee nö kein keine keinen keins nicht vergessen"),
    name_lead=listed(
        "ja okay klar gerne ich bin heiße heisse mein name ist das hier spricht der die es auf den dem unter herr frau"
    ),
    numbers=listed(f"{_UNITS} {_TEENS} {_TENS} eine einen einer null paar dutzend hundert tausend"),
    open_numbers=listed("hundert tausend"),
    articles=("ein", "eine", "einen"),
    at=("at", "ät", "et", "klammeraffe", "affenschwanz"),
    dot="punkt",
    months=listed(
        "januar jänner februar märz april mai juni juli august september oktober november dezember"
    ),
    days=re.compile(
        r"(?:erst|zweit|dritt|viert|fünft|sechst|siebt|siebent|acht|neunt|(?:\w*zehn|elf|zwölf)t|\w+[zß]igst)e[nrs]?|\d+"
    ),
    half_dates=listed("neunzehn neunzehnhundert zweitausend"),
    broken_dates=listed("halb viertel dreiviertel kurz vor nach um ab bis"),
    before_day=listed("am der den dem zum vom"),
    whole_time=re.compile(
        rf"(?:.* )?(?:uhr|(?:halb|vor|nach|viertel|dreiviertel|uhr) (?:{_MINUTES})|mittag|mitternacht|heute abend|egal|"
        "jederzeit|sofort|so bald wie möglich|so schnell wie möglich)"
    ),
    streets=re.compile(r"\S*(?:straße|strasse|str|weg|platz|allee|gasse|ring|damm|ufer|chaussee|steig)"),
    street_name_words=0,
    is_number_first=False,
    rewrites=(
        SAID_APART,
        spelled("wie"),
        (re.compile(rf"\bdoppel(?=(?:null|{_UNIT})\b)|\b(?:zweimal|doppelt) die\b"), "doppel "),
        (re.compile(r"\bdreimal die\b"), "dreimal"),
        (re.compile(rf"\b(?:{_UNIT})?tausend(?:(?:{_UNIT})?hundert)?(?:{_BELOW_100})?\b"), "0000"),
        (re.compile(rf"\b(?:{_UNIT})?hundert(?:und)?(?:{_BELOW_100})\b"), "000"),
        (re.compile(rf"\b(?:{_UNIT})hundert\b"), "000"),
        (re.compile(rf"\b{_JOINED}\b"), "00"),
    ),
    letters=listed(
        "ypsilon zett eszett anton berta cäsar dora emil friedrich gustav heinrich ida julius kaufmann ludwig martha "
        "nordpol otto paula quelle richard samuel siegfried schule theodor ulrich viktor wilhelm xanthippe zacharias"
    ),
    goes_on=listed(
        "wie plus doppel doppelt zweimal dreimal die lautet vorwahl hausnummer minus bindestrich unterstrich punkt "
        "schrägstrich mit"
    ),
    postcode_figures=5,
)  # fmt: skip
