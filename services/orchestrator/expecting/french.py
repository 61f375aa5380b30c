"""French. Its questions turn verb and subject round, or begin with "est-ce que"; a blank stands before the mark."""

from __future__ import annotations

import re

from services.common.expected import Expected
from services.orchestrator.expecting.questions import Questions

_LEAD = r"^(?:(?:et|alors|donc|bien|très bien|d'accord|parfait|merci|pardon|excusez-moi|bon|ok|sinon|juste),? )*"
_WHAT = (
    r"quel|quelle|quels|quelles|lequel|laquelle|quand|où|comment|combien|quoi|pourquoi|qu'est-ce|qui est(?:-ce)?|à qui|"
    r"de qui|que puis"
)
_TELL = (
    "donner|dire|épeler|indiquer|communiquer|répéter|préciser|confirmer|laisser|redonner|redire|fournir|dicter|"
    "transmettre|expliquer|rappeler votre|rappeler le"
)
_CAN = (
    "pouvez-vous|pourriez-vous|voulez-vous|voudriez-vous|peux-tu|pourrais-tu|veux-tu|vous pouvez|vous pourriez|tu peux|"
    "tu pourrais|pourrez-vous|vous voulez bien|puis-je vous demander de"
)
_NUMBERED = (
    r"client|cliente|commande|dossier|réservation|contrat|suivi|facture|compte|carte|référence|adhérent|abonné|police|"
    r"série|sécurité sociale|colis|membre|ticket|assuré"
)
_TAGS = r"\b(?:correct|exact|n'est-ce pas|d'accord|c'est (?:bien )?(?:ça|bon)|oui|non|ok|vous va|vous convient)\s?\?$"
_YOURS = rf"{_LEAD}(?:votre|vos|ton|ta|le|la|l'\w+)\b"
_STATES = "est|sont|reste|a|commence|fonctionne"
_NOT_YET = r"(?:instant|moment|minute|seconde|peu)"

FRENCH = Questions(
    asks_for=re.compile(
        rf"\b(?:{_WHAT})\b.*\?$"
        rf"|\b(?:{_CAN})\b.*\b(?:{_TELL})\b"
        r"|\b(?:puis-je|pourrais-je|est-ce que je peux|est-ce que je pourrais|je peux|pouvons-nous|peut-on)\b"
        r".*\b(?:avoir|prendre|connaître|noter|demander|savoir)\b"
        rf"|\b(?:donnez|dites|indiquez|épelez|communiquez|précisez|laissez|dictez|rappelez|donne|dis)-(?:le-|la-)?"
        rf"(?:moi|nous)\b(?! une? {_NOT_YET})(?!.*\b(?:quand vous|dès que|une fois)\b)"
        rf"|\bveuillez\b.*\b(?:{_TELL})\b|\bépelez\b"
        rf"|\b(?:j'ai|j'aurai|j'aurais|nous avons|nous aurions|on a)\b(?: \w+)? besoin (?:de |d'|du )"
        rf"(?!une? {_NOT_YET})"
        rf"|\bil (?:me|nous) (?:faut|faudrait|faudra|manque)\b(?: \w+)? (?:votre|vos|le|la|un|une)\b(?! {_NOT_YET})"
        rf"|{_YOURS}(?!.*\b(?:{_STATES})\b \w|.*{_TAGS}).*\?$"
    ),
    things=(
        (Expected.SPELLING, re.compile(r"\bépel")),
        (Expected.EMAIL, re.compile(r"\be-?mails?\b|\bcourriel\b|\bmél\b|\badresse (?:électronique|mail)\b|\bmail\b")),
        (Expected.PHONE_NUMBER, re.compile(r"\btéléphone\b|\bnuméro (?:de )?(?:portable|mobile)\b|\bportable\b"
                                           r"|\bnuméro\b(?! d).*\b(?:joindre|rappeler|appeler|contacter)\b"
                                           r"|\b(?:joindre|rappeler|contacter)\b.*\bnuméro\b(?! d)"
                                           r"|\b(?:votre|ton|un) numéro\b(?! d)")),
        (Expected.CODE, re.compile(rf"\bnuméro (?:de |d'|du )?(?:la |votre )?(?:{_NUMBERED})\b|\bcodes?\b|\bréférence\b"
                                   r"|\biban\b|\bsiret\b|\bchiffres\b|\bimmatriculation\b")),
        (Expected.ADDRESS, re.compile(r"\badresse\b|\boù habit|\bdomicile\b|\b(?:quelle|nom de (?:la|votre)) rue\b")),
        (Expected.DATE_TIME, re.compile(r"\bquand\b|\bquel(?:le)? (?:jour|date|heure|moment|mois|créneau)\b"
                                        r"|\bdate\b|\banniversaire\b|\b(?:le|un) (?:jour|créneau)\b|\bl'heure\b")),
        (Expected.NAME, re.compile(r"\b(?:pré)?noms?\b|\bqui (?:est à l'appareil|ai-je)\b|\bvous appelez-vous\b"
                                   r"|\bt'appelles-tu\b|\bvous vous appelez\b")),
        (Expected.NUMBER, re.compile(r"\bcombien\b|\bquel(?:le)? (?:âge|taille|pointure|quantité|montant|nombre)\b")),
    ),
    confirms=re.compile(
        r"\bsi (?:c'est|le|la|votre|vos|l'\w+|vous|cela|ça)\b"
        rf"|{_LEAD}(?:est-ce (?!que (?:vous pou|vous voul|je peux|je pourrais|tu peux|tu pourrais))"
        r"|avez-vous|auriez-vous|as-tu|souhaitez-vous|désirez-vous|aimeriez-vous|préférez-vous|êtes-vous|dois-je"
        r"|(?:voulez-vous|puis-je) (?:que|vous (?:envoyer|rappeler|appeler|proposer|aider|lire))|vous (?:avez|êtes)"
        r"|c'est\b(?! (?:\w+ )?(?:quel|combien|quand|où|qui))"
        r"|s'agit-il|y a-t-il|faut-il|habitez-vous|(?:votre|le|la) .*\b(?:est|reste)(?:-il|-elle|-ce)?\b)"
    ),
    yes_no=re.compile(
        rf"{_LEAD}(?:est-ce que?\b|est-ce qu'|c'est\b|ça\b|cela\b|vous\b|on\b|tu\b|je\b|il y a\b)"
        r"|\b\w+(?:-t)?-(?:vous|tu|je|nous|ils?|elles?|ce|on)\b|\bsi (?:c'est|le|la|votre|vos|l'\w+|vous|cela|ça)\b"
        rf"|{_YOURS}.*\b(?:{_STATES})\b \w|{_TAGS}"
    ),
    choice=re.compile(r"\bou\b(?! non\b| pas\b| bien non\b)"),
)  # fmt: skip
