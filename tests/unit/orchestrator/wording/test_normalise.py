"""What is written in figures and signs is said in words, and the way back is kept."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.wording.directives import SAY_AS, SAY_AS_END
from services.orchestrator.wording.languages import LANGUAGES
from services.orchestrator.wording.normalise import normaliser
from tests.unit.orchestrator.wording.deltas import TEXTS

pytestmark = pytest.mark.unit

ENGLISH = [
    ("It costs $12.50.", "It costs twelve dollars and fifty cents."),
    ("$1, $0.99, £2.01", "one dollar, ninety-nine cents, two pounds and one penny"),
    ("-$5, €3.00", "minus five dollars, three euros"),
    ("It cost $5 million, or 3.5bn €.", "It cost five million dollars, or three point five billion euros."),
    ("12 EUR for 20% of 3.5%", "twelve euros for twenty percent of three point five percent"),
    ("Call 555-0199.", "Call five five five, zero one nine nine."),
    ("(212) 555-0134", "two one two, five five five, zero one three four"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
    ("at 3:30 p.m. on Friday", "at three thirty p m on Friday"),
    ("We close at 5 p.m.", "We close at five p m."),
    ("9am to 5pm, 12:05, 15:00, 9:00", "nine a m to five p m, twelve oh five, fifteen hundred, nine o'clock"),
    ("open 9-5", "open nine to five"),
    ("9:30-10:30, 9am–5pm, rooms 5 - 7", "nine thirty to ten thirty, nine a m to five p m, rooms five to seven"),  # noqa: RUF001
    ("you may 5 times", "you may five times"),
    ("March 3, 2026", "March third, twenty twenty-six"),
    ("on 5 March and the 6 April", "on the fifth of March and the sixth of April"),
    ("Jan. 5th", "January fifth"),
    ("2026-03-05, 3/5/2026", "March fifth, twenty twenty-six, March fifth, twenty twenty-six"),
    ("in 1984 we had 2000 guests", "in nineteen eighty-four we had two thousand guests"),
    ("the 1990s, the 1st, 22nd", "the nineteen nineties, the first, twenty-second"),
    ("5 km, 1 kg, 20°C, 6 ft", "five kilometres, one kilogram, twenty degrees Celsius, six feet"),
    ("1/2, 2 3/4, 24/7", "one half, two and three quarters, twenty-four seven"),
    ("1/2 km, 2 1/2 km, 3/4 GB", "one half kilometre, two and one half kilometres, three quarters gigabyte"),
    ("order number 48213", "order number four eight two, one three"),
    ("room 12B, BK-4471, MP3", "room twelve B, B K four four seven one, M P three"),
    ("1,250,000 people and 3.14", "one million two hundred fifty thousand people and three point one four"),
    ("version 1.2.3", "version one point two point three"),
    ("007 and 12345678", "zero zero seven and one two three, four five six, seven eight"),
    ("it is -5 and ~20 and #7", "it is minus five and about twenty and number seven"),
    ("write to anna.smith22@example.co.uk", "write to anna dot smith two two at example dot co dot u k"),
    ("see https://www.example.com/menu/?q=1.", "see w w w dot example dot com slash menu."),
    ("See example.com.", "See example dot com."),
    ("Dr. Smith, e.g. the R&D lab, etc.", "Doctor Smith, for example the R and D lab, et cetera."),
    ("No. 5 is free. No. I can't.", "number five is free. No. I can't."),
    ("3 × 4 = 12", "three times four equals twelve"),  # noqa: RUF001
    ("nothing to change here, at all.", "nothing to change here, at all."),
]  # fmt: skip
OTHERS = [
    ("de-DE", "12,50 € und 1.250 EUR", "zwölf Euro fünfzig und eintausendzweihundertfünfzig Euro"),
    ("de", "um 15.30 Uhr", "um fünfzehn Uhr dreißig"),
    ("de", "Am 3. März um 15:30 Uhr, 1 kg", "Am dritten März um fünfzehn Uhr dreißig, ein Kilogramm"),
    ("de", "z.B. 03.05.2026, 3,5 %", "zum Beispiel dritter Mai zweitausendsechsundzwanzig, drei Komma fünf Prozent"),
    ("de", "in 1 Stunde, 1 Stunde, 1 Minute, 21 Stunden",
     "in einer Stunde, eine Stunde, eine Minute, einundzwanzig Stunden"),
    ("de", "1 Euro, für 1 €, 1 Million Euro, vor 1 Tag", "ein Euro, für einen Euro, eine Million Euro, vor einem Tag"),
    ("de", "um 1 Uhr in Zimmer 1, 101 Tage", "um ein Uhr in Zimmer eins, einhundertein Tage"),
    ("de", "1/2 Stunde, in 1/2 Stunde, für 1/2 Tag, 1/2 h, 1/2",
     "eine halbe Stunde, in einer halben Stunde, für einen halben Tag, eine halbe Stunde, ein halb"),
    ("es", "1/2 hora, 1/2 día, 1/2 h", "media hora, medio día, media hora"),
    ("fr", "1/2 heure, 1/2 litre", "une demi heure, un demi litre"),
    ("de", "1,5 Stunden, 1,5 h, 1-2 Wochen", "eins Komma fünf Stunden, eins Komma fünf Stunden, eine bis zwei Wochen"),
    ("es", "1 hora, 21 horas, 200 personas, 1 día, 21 minutos",
     "una hora, veintiuna horas, doscientas personas, un día, veintiún minutos"),
    ("es", "a la 1, a las 21, opción 1", "a la una, a las veintiuna, opción uno"),
    ("es", "1,5 horas", "uno coma cinco horas"),
    ("fr", "1 heure, 21 minutes, 1 jour, 1 fois", "une heure, vingt-et-une minutes, un jour, une fois"),
    ("fr", "1,5 heure", "un virgule cinq heure"),
    ("es", "Cuesta 12,50 € y 21 €.", "Cuesta doce euros con cincuenta y veintiún euros."),
    ("es", "El 3 de marzo de 2026 a las 15:30", "El tres de marzo de dos mil veintiséis a las quince treinta"),
    ("es", "el 3er piso, 2 millones €", "el tercer piso, dos millones de euros"),
    ("fr", "1 250 €", "mille deux cent cinquante euros"),
    ("fr", "le 1er mai à 15h30", "le premier mai à quinze heures trente"),
    ("fr", "3 millions €, 21 £", "trois millions d'euros, vingt-et-une livres"),
    ("en-GB", "on 3/5/2026", "on May third, twenty twenty-six"),
    ("pl", "To kosztuje 12 zł **tak**.", "To kosztuje 12 zł tak."),
    ("", "12 **bold**", "12 bold"),
]  # fmt: skip
MARKUP = [
    ("**Bold** and *soft* and __this__.", "Bold and soft and this."),
    ("a [link](http://example.com/x) and ![a picture](y.png)", "a link and a picture"),
    ("`code` and ~~gone~~", "code and gone"),
    ("## A heading", "A heading"),
    ("- an item", "an item"),
    ("1. First", "one, First"),
    ("| name | price |", "name, price"),
    ("3 * 4 and snake_case_word", "three * four and snake_case_word"),
    ("Great 👍🏽. Bye 👋", "Great. Bye"),
    ("<b>Now</b>", "Now"),
]


@pytest.mark.parametrize(("written", "said"), ENGLISH)
def test_english(written: str, said: str) -> None:
    assert normaliser("en-US").say(written).text == said


@pytest.mark.parametrize(("tag", "written", "said"), OTHERS)
def test_other_languages(tag: str, written: str, said: str) -> None:
    assert normaliser(tag).say(written).text == said


@pytest.mark.parametrize(("written", "said"), MARKUP)
def test_markup_is_not_said(written: str, said: str) -> None:
    assert " ".join(normaliser("en").say(written).text.split()) == said


def test_a_line_that_ends_without_a_mark_is_said_with_a_pause() -> None:
    say = normaliser("en").say
    assert say("- milk", ends_line=True).text == "milk."
    assert say("Milk!", ends_line=True).text == "Milk!"
    assert say("**milk**", ends_line=True).text == "milk."


@pytest.mark.parametrize(
    ("written", "said", "heard"),
    [
        ("It costs $12.50 in all.", "It costs twelve", "It costs"),  # of a price all or nothing was heard
        ("It costs $12.50 in all.", "It costs twelve dollars and fifty cents", "It costs $12.50"),
        ("It costs $12.50 in all.", "It costs twelve dollars and fifty cents in", "It costs $12.50 in"),
        ("Call 555-0199 now", "Call five five five,", "Call"),
        ("on March 3, 2026 at ten", "on March third,", "on March 3,"),
        ("say **yes** now", "say yes", "say **yes**"),
        ("**yes** now", "", ""),
    ],
)
def test_what_was_heard_is_told_in_what_was_written(written: str, said: str, heard: str) -> None:
    spoken = normaliser("en").say(written)
    at = spoken.text.find(said) + len(said)
    assert spoken.written[: spoken.written_end(at)].rstrip() == heard


def test_where_a_word_begins_is_told_in_what_was_written() -> None:
    spoken = normaliser("en").say("It costs **$12.50** in all.")
    assert spoken.written_start(spoken.text.index("fifty")) == spoken.written.index("$")
    assert spoken.written_start(spoken.text.index("all")) == spoken.written.index("all")


@pytest.mark.parametrize(
    ("tag", "asked", "said"),
    [
        ("en", "1,250", "one thousand two hundred fifty"),
        ("en", "1.5", "one point five"),
        ("de", "1.250", "eintausendzweihundertfünfzig"),
        ("de", "1,5", "eins Komma fünf"),
        ("de", "V1", "V1"),
    ],
)
def test_a_number_that_is_asked_for_is_read_as_the_language_writes_it(tag: str, asked: str, said: str) -> None:
    assert normaliser(tag).say(f"{SAY_AS['cardinal']}{asked}{SAY_AS_END}").text == said


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("figures", [1, 18, 19, 60])
def test_a_number_of_any_length_can_be_said(tag: str, figures: int) -> None:
    number = "1" * figures
    for before, after in itertools.product(
        ("", "$", "1/", SAY_AS["cardinal"], SAY_AS["ordinal"]), ("", ".5", "%", " km", " €")
    ):
        assert normaliser(tag).say(f"{before}{number}{after}").text


@given(TEXTS)
def test_the_way_back_never_runs_backwards_and_covers_all(text: str) -> None:
    for tag in ("en", "de", "pl"):
        spoken = normaliser(tag).say(text)
        ends = [spoken.written_end(at) for at in range(len(spoken.text) + 1)]
        starts = [spoken.written_start(at) for at in range(len(spoken.text))]
        assert ends == sorted(ends)
        assert starts == sorted(starts)
        assert ends[0] == 0
        unheard = spoken.written[ends[-1] :] if spoken.text else ""
        assert not any(char.isalnum() for char in normaliser(tag).say(unheard).text)


FIGURES = [
    "$12.50", "3:30 p.m.", "March 3, 2026", "BK-4471", "1/2", "2 3/4", "5 km", "20%", "1,250,000", "7", "2026-03-05",
    "555-0199", "1.2.3", "#7", "(212) 555-0134", "12B", "9-5", "3.14", "22nd", "the 1990s", "anna22@example.com",
]  # fmt: skip


@given(st.lists(st.sampled_from(FIGURES)))
def test_no_figure_is_left_to_the_voice_in_a_language_that_is_known(figures: list[str]) -> None:
    assert not any(char.isdecimal() for char in normaliser("en").say(" and ".join(figures)).text)


@pytest.mark.parametrize(
    ("tag", "written"),
    [("de", "$12.50"), ("fr", "1,250,000"), ("es", "3.14"), ("de", "3.5 km"), ("en", "12,50 €")],
)
def test_a_number_in_another_languages_marks_is_left_to_the_voice_whole(tag: str, written: str) -> None:
    assert normaliser(tag).say(written).text == written
