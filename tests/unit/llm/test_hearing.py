"""What the rules engine makes of words: normalising, phrases, times, days, names."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.engines.rules.names import find_name
from services.llm.engines.rules.phrases import PhraseError, PhraseIndex, parse_phrase
from services.llm.engines.rules.templates import MissingValue, TemplateError, join_spoken, parse_template
from services.llm.engines.rules.text import Vocabulary, is_within, words_of
from services.llm.engines.rules.times import clock_of, find_time, find_weekday, minutes_of, speak_time

pytestmark = pytest.mark.unit

WEDNESDAY = date(2025, 1, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What's on at 10.30 A.M.?", "what is on at 10:30 am"),
        ("I'd like a check-up, please!", "i would like a check up please"),
        ("it's ten o'clock p m", "it is ten oclock pm"),
        ("We don't, can't, won't", "we do not can not will not"),
        ("my name\u2019s John O\u2019Brien", "my name is john o'brien"),
        ("GOODBYE", "good bye"),
        ("", ""),
        ("?!... 😀", ""),
    ],
)
def test_text_becomes_comparable_words(text: str, words: str) -> None:
    assert " ".join(words_of(text)) == words


@given(st.text(max_size=200))
def test_any_text_becomes_words(text: str) -> None:
    assert all(word and " " not in word for word in words_of(text))


@pytest.mark.parametrize(
    ("left", "right", "edits", "within"),
    [
        ("wensday", "wednesday", 2, True),
        ("tuseday", "tuesday", 1, True),
        ("monday", "sunday", 1, False),
        ("hours", "ours", 1, True),
        ("a", "abc", 1, False),
    ],
)
def test_edit_distance(left: str, right: str, edits: int, within: bool) -> None:
    assert is_within(left, right, edits) is within
    assert is_within(right, left, edits) is within


def test_a_misheard_word_becomes_the_nearest_known_one() -> None:
    known = Vocabulary(["wednesday", "whitening", "hours", "yes", "thirty"])
    heard = ["wensday", "whightening", "houres", "yet", "thirsty", "thirty", "zebra"]
    assert [known.nearest(word) for word in heard] == [
        "wednesday",
        "whitening",
        "hours",
        "yet",
        "thirty",
        "thirty",
        "zebra",
    ]


def found(phrase: str, text: str) -> bool:
    index = PhraseIndex()
    index.add(parse_phrase(phrase), "it")
    return any(True for _ in index.matches(words_of(text)))


@pytest.mark.parametrize(
    ("phrase", "text", "is_found"),
    [
        ("opening hours", "well what are your opening hours please", True),
        ("opening hours", "opening the hours", False),
        ("(when|what time) are you [usually] open", "what time are you open", True),
        ("(when|what time) are you [usually] open", "when are you usually open", True),
        ("(when|what time) are you [usually] open", "what are you open", False),
        ("tell me ... treatments", "tell me about your treatments", True),
        ("tell me ... treatments", "tell me treatments", True),
        ("tell me ... treatments", "tell me a b c d e treatments", False),
        ("< yes >", "yes", True),
        ("< yes >", "yes but", False),
        ("< yes >", "oh yes", False),
        ("it's (a|the (big|small)) dog", "it is the small dog", True),
    ],
)
def test_phrases(phrase: str, text: str, is_found: bool) -> None:
    assert found(phrase, text) is is_found


@pytest.mark.parametrize("phrase", ["", "[a]", "(a|b", "a)", "... a", "a ...", "a > b", "[a] [b]", "(a|b) " * 12])
def test_unusable_phrases_are_refused(phrase: str) -> None:
    with pytest.raises(PhraseError):
        parse_phrase(phrase)


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("at ten thirty", "10:30"),
        ("at ten", "10:00"),
        ("half past two", "14:30"),
        ("quarter past nine", "09:15"),
        ("a quarter to four please", "15:45"),
        ("twenty five to three", "14:35"),
        ("ten past eleven", "11:10"),
        ("eight oh five", "08:05"),
        ("two o'clock", "14:00"),
        ("10:30", "10:30"),
        ("10.30", "10:30"),
        ("14:00", "14:00"),
        ("at 3", "15:00"),
        ("at eight", "08:00"),
        ("at six", "18:00"),
        ("nine a.m.", "09:00"),
        ("eight pm", "20:00"),
        ("seven in the evening", "19:00"),
        ("in the afternoon at two", "14:00"),
        ("twelve thirty", "12:30"),
        ("noon", "12:00"),
        ("ten forty five", "10:45"),
        ("at to thirty", "14:30"),
        ("ten no eleven thirty", "11:30"),
        ("fourteen thirty", "14:30"),
        ("i have ten fingers", None),
        ("one two three", None),
        ("the tenth", None),
        ("in the morning", None),
        ("25:99", None),
    ],
)
def test_times(text: str, clock: str | None) -> None:
    assert find_time(words_of(text), "08:00", "18:00", is_expected=False) == clock


@pytest.mark.parametrize(
    ("text", "clock"), [("ten", "10:00"), ("two please", "14:00"), ("the first one", None), ("that one", None)]
)
def test_a_number_alone_is_a_time_where_one_was_asked_for(text: str, clock: str | None) -> None:
    assert find_time(words_of(text), "08:00", "18:00", is_expected=True) == clock


@pytest.mark.parametrize("minutes", range(0, 24 * 60, 5))
def test_every_time_on_the_five_minutes_is_heard_as_it_is_spoken(minutes: int) -> None:
    clock = clock_of(minutes)
    half_day = "am" if minutes < 720 else "pm"
    spoken = speak_time(clock)
    said = spoken if spoken == "noon" else f"{spoken} {half_day}"
    assert find_time(words_of(said), "08:00", "18:00", is_expected=False) == clock


def test_spoken_times() -> None:
    spoken = {clock: speak_time(clock) for clock in ("10:30", "11:00", "14:05", "12:00", "16:45", "00:10")}
    assert spoken == {
        "10:30": "ten thirty",
        "11:00": "eleven o'clock",
        "14:05": "two oh five",
        "12:00": "noon",
        "16:45": "four forty five",
        "00:10": "twelve ten",
    }
    with pytest.raises(ValueError, match="HH:MM"):
        minutes_of("24:00")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("next tuesday", "tuesday"),
        ("not tuesday wednesday", "wednesday"),
        ("on mondays", "monday"),
        ("tomorrow", "thursday"),
        ("the day after tomorrow", "friday"),
        ("today", "wednesday"),
        ("this afternoon", "wednesday"),
        ("in the afternoon", None),
    ],
)
def test_weekdays(text: str, day: str | None) -> None:
    assert find_weekday(words_of(text), WEDNESDAY) == day


@pytest.mark.parametrize(
    ("text", "expected", "name"),
    [
        ("my name is maria gomez", False, "Maria Gomez"),
        ("my name's John O'Brien and i would like", False, "John O'Brien"),
        ("the name is li", False, "Li"),
        ("i am looking for a dentist", False, None),
        ("this is fine", False, None),
        ("maria gomez", False, None),
        ("maria gomez please", True, "Maria Gomez"),
        ("yes it's maria", True, "Maria"),
        ("i'm maria thank you very much", True, "Maria"),
        ("yes", True, None),
        ("what do you need it for", True, None),
        ("i am calling about a tooth", True, None),
        ("one two three four five", True, None),
        ("", True, None),
    ],
)
def test_names(text: str, expected: bool, name: str | None) -> None:
    assert find_name(words_of(text), expected) == name


def test_templates() -> None:
    values = {"day": "Tuesday", "result.reference": "WD-1042", "result.at": "14:30", "result.day": "friday"}
    source = "{day}: {result.reference | spell}, {result.at | time}, {result.day|weekday}, {what or nothing else}."
    text = parse_template(source).render(values)
    assert text == "Tuesday: W D one zero four two, two thirty, Friday, nothing else."


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("{x}", {}),
        ("{x}", {"x": None}),
        ("{x}", {"x": {"a": 1}}),
        ("{x}", {"x": True}),
        ("{x}", {"x": "y" * 1000}),
        ("{x | time}", {"x": "soon"}),
        ("{x | weekday}", {"x": 3}),
    ],
)
def test_values_that_cannot_be_spoken_are_missing(source: str, values: dict[str, object]) -> None:
    with pytest.raises(MissingValue):
        parse_template(source).render(values)


@pytest.mark.parametrize("source", ["{", "a } b", "{}", "{A}", "{x | shout}", "{{x}}"])
def test_unusable_templates_are_refused(source: str) -> None:
    with pytest.raises(TemplateError):
        parse_template(source)


def test_options_are_joined_as_they_are_spoken() -> None:
    assert [join_spoken(values) for values in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a or b", "a, b or c"]
