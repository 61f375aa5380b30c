"""The wording of the fixed sentences where an agent file gives none, by language."""

from __future__ import annotations

from services.common.language_tags import primary_subtag

DEFAULT_SENTENCES = {
    "en": {
        "apology": "I'm sorry, something went wrong on my side. Could you say that again?",
        "not_heard": "Sorry, I didn't catch that. Could you say it again?",
        "idle_prompt": "Are you still there?",
        "goodbye": "Goodbye.",
    },
    "de": {
        "apology": "Entschuldigung, bei mir ist etwas schiefgegangen. Könnten Sie das noch einmal sagen?",
        "not_heard": "Entschuldigung, das habe ich nicht verstanden. Könnten Sie es noch einmal sagen?",
        "idle_prompt": "Sind Sie noch da?",
        "goodbye": "Auf Wiederhören.",
    },
    "es": {
        "apology": "Lo siento, algo ha fallado por mi parte. ¿Podría repetirlo?",
        "not_heard": "Perdone, no le he entendido. ¿Podría repetirlo?",
        "idle_prompt": "¿Sigue ahí?",
        "goodbye": "Adiós.",
    },
    "fr": {
        "apology": "Je suis désolé, un problème est survenu de mon côté. Pourriez-vous répéter ?",
        "not_heard": "Pardon, je n'ai pas compris. Pourriez-vous répéter ?",
        "idle_prompt": "Êtes-vous toujours là ?",
        "goodbye": "Au revoir.",
    },
    "it": {
        "apology": "Mi dispiace, qualcosa non ha funzionato da parte mia. Potrebbe ripetere?",
        "not_heard": "Scusi, non ho capito. Potrebbe ripetere?",
        "idle_prompt": "È ancora in linea?",
        "goodbye": "Arrivederci.",
    },
    "nl": {
        "apology": "Het spijt me, er ging aan mijn kant iets mis. Kunt u dat nog eens zeggen?",
        "not_heard": "Sorry, dat heb ik niet verstaan. Kunt u het nog eens zeggen?",
        "idle_prompt": "Bent u er nog?",
        "goodbye": "Tot ziens.",
    },
    "pt": {
        "apology": "Peço desculpa, algo correu mal do meu lado. Pode repetir?",
        "not_heard": "Desculpe, não percebi. Pode repetir?",
        "idle_prompt": "Ainda está aí?",
        "goodbye": "Adeus.",
    },
}
"""Primary language subtag to sentence names to wordings."""


def default_sentences(tag: str) -> dict[str, str] | None:
    """Return the sentences in the language of a BCP 47 tag, by name; None where there are none."""
    return DEFAULT_SENTENCES.get(primary_subtag(tag))
