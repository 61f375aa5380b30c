"""French. "avant", "après" and "depuis" end turns as adverbs, and are not in the table."""

from __future__ import annotations

import re

from services.turn.languages.answers import SAID_APART, AnswerWords, PhoneLength, spelled
from services.turn.languages.words import LanguageWords, listed

FRENCH = LanguageWords(
    dangling=listed(
        "et ou mais parce car si quand que qui puis donc alors comme lorsque puisque ni "
        "le la les un une des du de mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce cet cette ces "
        "chaque quelques à a en avec pour sans sur dans par chez vers entre pendant au aux euh heu hum hmm ben bah "
        "je j'ai j'aimerais c'est il elle on"
    ),
    dangling_phrases=(
        "je voudrais", "je veux", "je cherche", "je dois", "je peux", "nous voudrions", "on voudrait", "j'ai besoin",
        "je m'appelle", "est-ce", "qu'est-ce", "il y a", "pouvez-vous", "pourriez-vous", "puis-je", "vous pouvez",
        "auriez-vous", "avez-vous", "par exemple", "c'est-à-dire", "attendez", "un instant", "un moment", "voyons",
        "dites-moi", "j'appelle", "j'aurais", "peut-être",
    ),
    copulas=listed("est sont suis sommes était sera"),
    before_copula=listed("oui non où comment quel quelle qui ça"),
    question_words=listed("quel quelle quels quelles comment combien où pourquoi qui"),
    numbers=listed(
        "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt trente "
        "cent mille"
    ),
    number_endings=("ante", "dix", "vingts"),
    complete_alone=listed(
        "oui non si ouais d'accord voilà exactement exact parfait merci bonjour bonsoir salut bien bon super génial ok "
        "okay allô pardon stop correct entendu volontiers"
    ),
    complete_endings=(
        "s'il vous plaît", "s'il te plaît", "merci", "merci beaucoup", "merci bien", "au revoir", "bonne journée",
        "bonne soirée", "c'est tout", "ce sera tout", "c'est ça", "c'est bon", "c'est bien", "c'est correct",
        "c'est exact", "d'accord", "ça va", "bien sûr", "je pense que oui", "je crois", "je crois que oui",
        "rien d'autre", "pas de problème", "pas de souci", "comment allez-vous", "à bientôt", "à demain", "de rien",
        "tant pis", "tout à fait", "pas du tout", "moi non plus", "moi aussi",
    ),
    backchannel_words=listed(
        "oui ouais mhm mm mmm hm hum ah oh ok okay d'accord bien bon voilà exact exactement super parfait entendu euh"
    ),
    backchannel_phrases=("je vois", "je comprends", "ça marche", "bien sûr", "tout à fait", "très bien", "je sais"),
)  # fmt: skip

_UNITS = "un une deux trois quatre cinq six sept huit neuf"
_TEENS = "dix onze douze treize quatorze quinze seize"
_TENS = "vingt trente quarante cinquante septante huitante octante nonante"
_SIXTIES = "soixante quatrevingt"
_UNIT, _TEEN, _TEN, _SIXTY = ("|".join(words.split()) for words in (_UNITS, _TEENS, _TENS, _SIXTIES))
_UNDER_100 = rf"00|{_SIXTY}|{_TEN}|{_TEEN}|{_UNIT}"

FRENCH_ANSWERS = AnswerWords(
    figures={"zéro": 1, "mille": 4, "cent": 3, "cents": 3} | dict.fromkeys(_UNITS.split(), 1)
    | dict.fromkeys(f"{_TEENS} {_TENS} {_SIXTIES}".split(), 2),
    times={"double": 2, "triple": 3},
    phone=PhoneLength(least=9, whole=10, abroad=1),  # five pairs; nine figures in Belgium
    fillers=listed("euh heu hum hmm ben bah hein"),
    yes_no=listed("oui non si ouais exact exactement voilà correct ok okay volontiers absolument parfaitement"),
    hedged=frozenset(
        {"peut-être", "peut-être bien", "probablement", "sans doute", "ça dépend", "parfois", "des fois", "pas encore",
         "pas vraiment", "pas trop", "pas aujourd'hui", "pas maintenant", "pas du tout", "pas spécialement",
         "je pense", "je crois", "je pense que oui", "je pense que non", "je crois que non", "je suppose", "les deux",
         "ni l'un ni l'autre", "aucun des deux", "ça me va", "ça marche", "allez-y", "je veux bien", "je ne sais pas",
         "je sais pas", "pourquoi pas", "moi oui", "toujours"}
    ),
    assent=listed(
        "oui ouais d'accord ok okay bien sûr certainement volontiers bonjour merci alors très parfait entendu voilà "
        "un instant moment une seconde s'il vous plaît attendez tout à fait"
    ),
    denial=listed("non pas aucun aucune oublié"),
    name_lead=listed("oui d'accord je m'appelle suis c'est mon nom prénom est moi le la à au de monsieur madame"),
    numbers=listed(f"zéro {_UNITS} {_TEENS} {_TENS} {_SIXTIES} vingts cent cents mille couple douzaine dizaine"),
    open_numbers=listed(f"{_TENS} {_SIXTIES} vingts cent cents mille"),
    articles=("un", "une"),
    at=("arobase", "arrobase", "arobas", "at"),
    dot="point",
    months=listed(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
    ),
    days=re.compile(rf"premier|1er|\d+|{_UNIT}|{_TEEN}|{_TEN}"),
    half_dates=listed("mille prochain"),
    broken_dates=listed("moins vers entre"),
    before_day=listed("le"),
    whole_time=re.compile(
        r"(?:.* )?(?:heures?|\d+ ?h(?:\d\d)?|et demie?|(?:et|moins le) quart|heures? pile|midi|minuit|du matin|"
        r"de l'après-midi|du soir|ce soir|n'importe quand|dès que possible|le plus tôt possible)"
    ),
    streets=re.compile("rue|avenue|boulevard|place|allée|chemin|impasse|route|quai|cours|square|passage"),
    street_name_words=3,
    is_number_first=True,
    rewrites=(
        SAID_APART,
        spelled("comme"),
        (re.compile(r"\bquatre[- ]vingts?\b"), "quatrevingt"),
        (re.compile(rf"\b(?:{_SIXTY})[- ](?:et[- ])?(?:dix[- ](?:sept|huit|neuf)|{_TEEN}|{_UNIT})\b"), "00"),
        (re.compile(rf"\b(?:(?:{_TEN})[- ](?:et[- ])?(?:{_UNIT})|dix[- ](?:sept|huit|neuf))\b"), "00"),
        (re.compile(rf"\b(?:(?:{_UNIT})[- ])?cents?[- ](?:{_UNDER_100})\b|\b(?:{_UNIT})[- ]cents?\b"), "000"),
    ),
    letters=listed("double-v hache zède esperluette"),
    goes_on=listed(
        "double triple plus comme indicatif numéro tiret point slash barre rue avenue boulevard place allée chemin "
        "impasse bâtiment"
    ),
    postcode_figures=5,
)  # fmt: skip
