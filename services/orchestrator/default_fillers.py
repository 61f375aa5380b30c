"""What is said while a tool runs where an agent file words nothing, by language."""

from __future__ import annotations

from services.common.language_tags import primary_subtag

DEFAULT_FILLERS = {
    "en": ("One moment, please.", "I'm still on it.", "Thank you for waiting, this takes a little longer."),
    "de": ("Einen Moment, bitte.", "Ich bin noch dabei.", "Danke für Ihre Geduld, das dauert etwas länger."),
    "es": ("Un momento, por favor.", "Sigo en ello.", "Gracias por esperar, esto tarda un poco más."),
    "fr": ("Un instant, s'il vous plaît.", "Je m'en occupe encore.", "Merci de patienter, c'est un peu plus long."),
    "it": ("Un momento, per favore.", "Ci sto ancora lavorando.", "Grazie per l'attesa, ci vuole un po' di più."),
    "nl": (
        "Een ogenblik, alstublieft.",
        "Ik ben er nog mee bezig.",
        "Bedankt voor het wachten, het duurt iets langer.",
    ),
    "pt": ("Um momento, por favor.", "Ainda estou a tratar disso.", "Obrigado por esperar, demora um pouco mais."),
}
"""Primary language subtag to wordings, in the order in which they are said."""


def default_fillers(tag: str) -> tuple[str, ...]:
    """Return the wordings in the language of a BCP 47 tag; none where it is not known."""
    return DEFAULT_FILLERS.get(primary_subtag(tag), ())
