"""German. Its compounds join what is asked for ("Kundennummer"), and asks for yes or no with the verb first."""

from __future__ import annotations

import re

from services.common.expected import Expected
from services.orchestrator.expecting.questions import Questions

_LEAD = r"^(?:(?:und|also|so|gut|okay|ok|super|danke|dann|nur zur sicherheit|verstehe|entschuldigung|perfekt)[,:]? )*"
_WHAT = "was|wer|wen|wem|wie|wieviele?|wo|wohin|woher|wann|warum|wofür|worum|wobei|welche[rnms]?"
_TELL = (
    "nennen|sagen|geben|mitteilen|buchstabieren|durchgeben|angeben|verraten|vorlesen|wiederholen|bestätigen|diktieren|"
    "durchsagen|ansagen|schildern|beschreiben|erzählen"
)
_YOUR = r"(?:ihre?n?|deine?n?|eure?n?|die|den|das|eine?|einen)"
_NUMBERED = (
    "kunden|bestell|auftrags|buchungs|reservierungs|referenz|karten|mitglieds?|policen|vertrags|sendungs|rechnungs|"
    "serien|vorgangs|konto|versicherten|versicherungs|versicherungsschein|kreditkarten|ausweis|ticket|personal|zähler|"
    "steuer|paket|fall|artikel|geräte|patienten"
)
_PHONES = "telefon|handy|mobil|mobilfunk|mobiltelefon|rückruf|festnetz|ruf|kontakt"
_VERBS = (
    "ist|sind|bist|war|waren|wäre|wären|hat|haben|hast|hatten|hätten|hätte|habe|soll|sollen|sollte|sollten|darf|dürfen|"
    "dürfte|kann|können|könnte|könnten|möchten|möchtest|wollen|willst|brauchen|benötigen|stimmt|passt|gilt|lautet|"
    "wohnen|wohnst|geht|gibt|wird|werden|wurde|würden|bleibt|reicht|funktioniert|kennen|wissen|suchen|kommen|nehmen"
)
_TAGS = r"\b(?:richtig|korrekt|oder|ja|okay|ok|stimmt's|stimmt das|nicht wahr|in ordnung|recht|einverstanden)\s?\?$"
_YOURS = rf"{_LEAD}(?:noch |bitte )?(?:ihre?n?|deine?n?|die|der|das)\b"
_NOT_YET = r"(?:moment|augenblick|minute|sekunde|bescheid|zeit)"

GERMAN = Questions(
    asks_for=re.compile(
        rf"\b(?:{_WHAT})\b.*\?$"
        rf"|\b(?:können|könnten|würden|möchten|wollen|kannst|könntest|würdest) (?:sie|du)\b.*\b(?:{_TELL})\b"
        r"|\b(?:kann|könnte|darf|dürfte|können|könnten|dürfen|dürften) (?:ich|wir)\b"
        r".*\b(?:haben|bekommen|erfahren|notieren|aufnehmen|fragen|wissen|erfragen)\b"
        rf"|\b(?:nennen|sagen|geben|buchstabieren|diktieren|verraten|wiederholen) sie\b(?!.*\b{_NOT_YET}\b)"
        rf"|\b(?:sag|gib|nenn|nenne|verrat) (?:mir|uns)\b(?!.*\b{_NOT_YET}\b)"
        rf"|^bitte\b.*\b(?:{_TELL})\b"
        rf"|\b(?:brauch(?:e|en)?|bräuchten?|benötigen?) (?:ich|wir)\b(?: \w+){{0,2}} {_YOUR}\b(?! {_NOT_YET})"
        rf"|\b(?:ich|wir) (?:brauch(?:e|en)?|bräuchten?|benötigen?)\b(?: \w+){{0,2}} {_YOUR}\b(?! {_NOT_YET})"
        rf"|{_YOURS}(?!.*\b(?:{_VERBS})\b \w|.*{_TAGS}).*\?$"
    ),
    things=(
        (Expected.SPELLING, re.compile(r"buchstabier")),
        (Expected.EMAIL, re.compile(r"\be-?mail|\bmail-?adresse")),
        (Expected.PHONE_NUMBER, re.compile(rf"\b(?:{_PHONES})-?nummer|\bvorwahl\b|\btelefonisch\b.*erreich"
                                           r"|\bnummer\b.*(?:erreich|anruf|zurückruf)"
                                           r"|(?:erreich|anruf|zurückruf).*\bnummer\b"
                                           r"|\b(?:ihre|deine|eine) nummer\b(?! (?:auf|ihrer|der|des)\b)")),
        (Expected.CODE, re.compile(rf"\b(?:{_NUMBERED})-?(?:nummer|id)\b|\bpostleitzahl\b|\bplz\b|\biban\b|\bpin\b"
                                   r"|\w*codes?\b|\bkennwort\b|\baktenzeichen\b|\bkennzeichen\b|\bziffern\b"
                                   r"|\bletzten (?:drei|vier|sechs) stellen\b|\bnummer (?:auf|ihrer|der|des)\b")),
        (Expected.ADDRESS, re.compile(r"\b\w*(?:adresse|anschrift)\b|\bstraße\b|\bhausnummer\b|\bwo wohn")),
        (Expected.DATE_TIME, re.compile(r"\bwann\b|\bwelche[nrms]? (?:tag|datum|uhrzeit|termin|monat)"
                                        r"|\bwie ?viel uhr\b|\bgeburtsdatum\b|\bgeburtstag\b"
                                        r"|\b(?:das|ihr|ein|die|den|einen) \w*(?:datum|uhrzeit|wunschtermin)\b")),
        (Expected.NAME, re.compile(r"\b\w*namen?\b|\bmit wem (?:spreche|habe)\b|\bwer (?:spricht|ist da|ist am)\b"
                                   r"|\bwie (?:heißen sie|heißt du)\b")),
        (Expected.NUMBER, re.compile(r"\bwie ?viele?\b|\bwie (?:alt|groß|hoch|lang|schwer)\b"
                                     r"|\bwelche[nrs]? (?:größe|betrag|menge|anzahl|alter)\b")),
    ),
    confirms=re.compile(
        rf"{_LEAD}(?!(?:kann|könnte|darf|dürfte|können|könnten|würden|möchten|wollen|kannst|könntest|würdest|dürfen)"
        rf" (?:ich|wir|sie|du)\b)(?:{_VERBS})\b"
        rf"|\bob\b|{_LEAD}(?:möchten|wollen) sie, dass\b"
    ),
    yes_no=re.compile(
        rf"{_LEAD}(?:{_VERBS})\b|{_LEAD}\w+(?:en|e|st|t) (?:sie|ich|wir|du|es|das|ihr|er)\b|\bob\b"
        rf"|{_YOURS}.*\b(?:{_VERBS})\b \w|{_TAGS}"
    ),
    choice=re.compile(r"\boder\b(?! nicht\b| nein\b|\s?\?)"),
)  # fmt: skip
