"""French. "avant", "après" and "depuis" end turns as adverbs, and are not in the table."""

from __future__ import annotations

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
