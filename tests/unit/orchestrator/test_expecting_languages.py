"""What the agent's words ask for in German, Spanish and French."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.expected import Expected
from services.orchestrator.expecting import LANGUAGES, expected_answer

pytestmark = pytest.mark.unit

ASKED = {
    "de": {
        Expected.PHONE_NUMBER: [
            "Wie lautet Ihre Telefonnummer?", "Könnten Sie mir bitte Ihre Handynummer nennen?",
            "Danke. Unter welcher Nummer können wir Sie erreichen?", "Dann brauche ich noch Ihre Rückrufnummer.",
            "Nennen Sie mir bitte Ihre Telefonnummer mit Vorwahl.", "Und Ihre Mobilnummer?",
            "Darf ich Ihre Telefonnummer notieren?", "Wie kann ich Sie telefonisch erreichen?",
        ],
        Expected.CODE: [
            "Wie ist Ihre Kundennummer?", "Sagen Sie mir bitte die letzten vier Ziffern Ihrer Karte.",
            "Und Ihre Postleitzahl?", "Könnte ich den Bestätigungscode haben?", "Bitte die Bestellnummer nennen.",
            "Wie lautet die Auftragsnummer? Lassen Sie sich Zeit.",
        ],
        Expected.NAME: ["Wie heißen Sie?", "Darf ich Ihren Namen erfahren?", "Mit wem spreche ich?",
                        "Ihr Nachname, bitte?"],
        Expected.SPELLING: ["Könnten Sie das bitte buchstabieren?", "Buchstabieren Sie bitte Ihren Nachnamen.",
                            "Wie buchstabiert man das?"],
        Expected.EMAIL: ["Wie lautet Ihre E-Mail-Adresse?", "An welche Mailadresse darf ich das schicken?"],
        Expected.ADDRESS: ["Wie ist Ihre Adresse?", "Wo wohnen Sie?", "Nennen Sie mir bitte Straße und Hausnummer.",
                           "Ich bräuchte noch Ihre Anschrift."],
        Expected.DATE_TIME: ["Wann möchten Sie kommen?", "Welcher Tag passt Ihnen?", "Um wie viel Uhr?",
                             "Wie ist Ihr Geburtsdatum?", "Können Sie mir sagen, wann das war?"],
        Expected.NUMBER: ["Für wie viele Personen?", "Wie alt ist Ihr Kind?", "Welchen Betrag möchten Sie überweisen?"],
        Expected.CHOICE: ["Möchten Sie vormittags oder nachmittags kommen?", "Was ist Ihnen lieber, Rot oder Blau?"],
        Expected.YES_NO: [
            "Soll ich das für Sie buchen?", "Also Dienstag um zehn, richtig?",
            "Das macht vier Euro. Ist das in Ordnung?",
            "Ist Ihre Telefonnummer noch dieselbe?", "Haben Sie eine Kundennummer?", "Sind Sie noch da?",
            "Möchten Sie, dass ich Ihnen das Datum sage?", "Könnten Sie bestätigen, ob die Adresse stimmt?",
            "Sie kommen also am Montag, oder?", "Wohnen Sie noch in der Hauptstraße?",
            "Darf ich Ihnen eine E-Mail schicken?",
        ],
        Expected.ANYTHING: [
            "Guten Tag, hier ist die Praxis. Wie kann ich Ihnen helfen?", "Auf Wiederhören.",
            "Können Sie mir sagen, was das Problem ist?", "In der E-Mail steht, wo Ihre Bestellung ist.",
            "Die Bestätigungs-E-Mail zeigt, wann Ihr Paket kommt.", "Ihre Telefonnummer steht auf der Liste.",
            "Das habe ich nicht verstanden. Könnten Sie es noch einmal sagen?", "Ihr Termin ist am Montag um zehn.",
            "Geben Sie mir einen Moment, ich suche Ihre Adresse.", "Ich brauche einen Moment für Ihre Telefonnummer.",
            "Ich habe Ihren Namen notiert.", "Wir schicken Ihnen den Code per SMS.", "Danke. Und wie ist",
        ],
    },
    "es": {
        Expected.PHONE_NUMBER: [
            "¿Cuál es su número de teléfono?", "¿Me puede dar su número de móvil, por favor?",
            "Gracias. ¿A qué número podemos llamarle?", "Necesito su número de teléfono.",
            "Dígame su teléfono, por favor.", "¿Y su teléfono?", "Perfecto, ¿me da un teléfono de contacto?",
        ],
        Expected.CODE: [
            "¿Cuál es su número de pedido?", "¿Y su código postal?", "Indíqueme el número de cliente.",
            "¿Podría decirme los últimos cuatro dígitos?", "¿Me dice el código de confirmación? Sin prisa.",
            "¿Cuál es la referencia de la reserva?",
        ],
        Expected.NAME: ["¿Cómo se llama?", "¿Me puede decir su nombre?", "¿Con quién hablo?", "¿Sus apellidos?"],
        Expected.SPELLING: ["¿Me lo puede deletrear?", "¿Podría deletrear su apellido?", "Deletréelo, por favor."],
        Expected.EMAIL: ["¿Cuál es su correo electrónico?", "¿Y su e-mail?", "¿A qué correo se lo envío?"],
        Expected.ADDRESS: ["¿Cuál es su dirección?", "¿Dónde vive?", "Dígame su domicilio, por favor."],
        Expected.DATE_TIME: ["¿Cuándo quiere venir?", "¿Qué día le viene bien?", "¿A qué hora?",
                             "¿Me dice su fecha de nacimiento?"],
        Expected.NUMBER: ["¿Para cuántas personas?", "¿Qué edad tiene?", "¿Cuánto quiere transferir?"],
        Expected.CHOICE: ["¿Prefiere por la mañana o por la tarde?", "¿Lunes u otro día?"],
        Expected.YES_NO: [
            "¿Quiere que lo reserve?", "Entonces el martes a las diez, ¿verdad?", "Son cuatro euros. ¿Le parece bien?",
            "¿Su número de teléfono sigue siendo el mismo?", "¿Tiene número de cliente?", "¿Sigue ahí?",
            "¿Quiere que le diga la fecha?", "¿Es correcta la dirección?",
            "¿Me puede confirmar si la dirección es esta?",
            "¿Le envío un correo?", "¿No tiene cuenta?",
        ],
        Expected.ANYTHING: [
            "Hola, le atiende la tienda. ¿En qué puedo ayudarle?", "Adiós.", "¿Puede decirme cuál es el problema?",
            "El correo de confirmación muestra dónde está su pedido.", "Su número de teléfono está en la lista.",
            "Perdone, no le he entendido. ¿Podría repetirlo?", "Necesito un momento para comprobar su dirección.",
            "Su cita es el lunes a las diez.", "Le enviaremos el código por mensaje.", "He anotado su nombre.",
            "En el correo le decimos cuándo llega.", "Déjeme ver su número de pedido.", "Gracias. ¿Y cuál es",
        ],
    },
    "fr": {
        Expected.PHONE_NUMBER: [
            "Quel est votre numéro de téléphone ?", "Pouvez-vous me donner votre numéro de portable ?",
            "Merci. À quel numéro peut-on vous joindre ?", "J'ai besoin de votre numéro de téléphone.",
            "Est-ce que vous pourriez me donner un numéro de téléphone ?",
            "Donnez-moi votre téléphone, s'il vous plaît.",
            "Et votre numéro de téléphone ?", "Puis-je avoir votre numéro de téléphone\u00a0?",
        ],
        Expected.CODE: [
            "Quel est votre numéro de commande ?", "Et votre code postal ?", "Il me faudrait votre numéro de client.",
            "Pourriez-vous me donner les quatre derniers chiffres ?", "Indiquez-moi la référence du dossier.",
            "Quel est le code de confirmation ? Prenez votre temps.",
        ],
        Expected.NAME: ["Comment vous appelez-vous ?", "Puis-je avoir votre nom ?", "Votre prénom ?",
                        "Qui est à l\u2019appareil ?"],
        Expected.SPELLING: ["Pouvez-vous l'épeler ?", "Épelez votre nom, s'il vous plaît.", "Comment ça s'épelle ?"],
        Expected.EMAIL: ["Quelle est votre adresse e-mail ?", "Et votre courriel ?",
                         "À quelle adresse mail dois-je l'envoyer ?"],
        Expected.ADDRESS: ["Quelle est votre adresse ?", "Où habitez-vous ?", "Pouvez-vous me donner votre adresse ?"],
        Expected.DATE_TIME: ["Quand souhaitez-vous venir ?", "Quel jour vous convient ?", "À quelle heure ?",
                             "Quelle est votre date de naissance ?"],
        Expected.NUMBER: ["Pour combien de personnes ?", "Quel âge a votre enfant ?",
                          "Quel montant souhaitez-vous virer ?"],
        Expected.CHOICE: ["Préférez-vous le matin ou l'après-midi ?", "Lundi ou mardi ?"],
        Expected.YES_NO: [
            "Voulez-vous que je réserve ?", "Donc mardi à dix heures, c'est ça ?",
            "Cela fait quatre euros. Ça vous va ?",
            "Est-ce que votre numéro de téléphone est toujours le même ?", "Avez-vous un numéro de client ?",
            "Êtes-vous toujours là ?", "Voulez-vous que je vous rappelle la date ?",
            "Votre adresse est-elle correcte ?",
            "Pouvez-vous me dire si l'adresse est correcte ?", "Dois-je vous envoyer un e-mail ?",
            "Vous avez un compte chez nous ?",
        ],
        Expected.ANYTHING: [
            "Bonjour, ici la boutique. Comment puis-je vous aider ?", "Au revoir.",
            "Pouvez-vous me dire quel est le problème ?", "L'e-mail de confirmation indique où est votre commande.",
            "Votre numéro de téléphone est sur la liste.", "Je n'ai pas compris. Pourriez-vous répéter ?",
            "J'ai besoin d'un instant pour vérifier votre adresse.", "Votre rendez-vous est lundi à dix heures.",
            "Nous vous enverrons le code par SMS.", "J'ai noté votre nom.", "Merci. Et quel est",
            "Le courriel vous dira quand le colis arrive.", "Laissez-moi un instant, je cherche votre dossier.",
        ],
    },
}  # fmt: skip
CASES = [(tag, kind, text) for tag, by in ASKED.items() for kind, texts in by.items() for text in texts]


@pytest.mark.parametrize(("language", "expected", "said"), CASES)
def test_the_last_question_says_what_is_asked_for(language: str, expected: Expected, said: str) -> None:
    assert expected_answer(said, language) is expected


def test_every_language_with_a_table_is_tried_with_every_kind() -> None:
    assert set(ASKED) | {"", "en"} == set(LANGUAGES)
    assert all(set(by) == set(Expected) - {Expected.UNSPECIFIED} for by in ASKED.values())


@pytest.mark.parametrize("language", ["it", "nl-NL", "x-none"])
def test_in_a_language_without_a_table_nothing_is_known(language: str) -> None:
    assert {expected_answer(said, language) for _, _, said in CASES} == {Expected.UNSPECIFIED}


@given(said=st.text(), language=st.sampled_from(sorted(LANGUAGES)))
def test_any_text_can_be_read(said: str, language: str) -> None:
    assert expected_answer(said, language) in Expected
