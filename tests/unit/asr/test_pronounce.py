"""Pronunciations: what the dictionary has, what the rules guess, and how alike two sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.asr.engines.sphinx.pronounce import letter_to_sound, phone_distance, pronunciations
from services.common.errors import InvalidInput

pytestmark = pytest.mark.unit

SPOKEN = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
PHONES = set(SPOKEN.split())


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("parley", "P AA R L IY"),
        ("ship", "SH IH P"),
        ("make", "M EY K"),
        ("station", "S T AE SH AH N"),
        ("city", "S IH T IY"),
        ("phone", "F OW N"),
        ("o'neil", "AA N EY L"),
    ],
)
def test_regular_spellings(word: str, phones: str) -> None:
    assert letter_to_sound(word) == phones


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20))
def test_any_word_of_letters_has_phones_of_the_model(word: str) -> None:
    spoken = letter_to_sound(word).split()
    assert spoken
    assert set(spoken) <= PHONES


@pytest.mark.parametrize("word", ["10", "a1", "§", "", "naïve"])
def test_what_is_no_word_is_named(word: str) -> None:
    with pytest.raises(InvalidInput, match=f"{word!r} cannot be pronounced"):
        letter_to_sound(word)


def test_the_dictionary_comes_first_with_all_variants_and_the_supplement_after() -> None:
    dictionary = {"maria": "M ER IY AH", "to": "T UW", "to(2)": "T IH", "to(3)": "T AH"}
    assert pronunciations("to", dictionary.get) == ("T UW", "T IH", "T AH")
    assert pronunciations("maria", dictionary.get)[:2] == ("M ER IY AH", "M AH R IY AH")
    assert pronunciations("parley", dictionary.get) == ("P AA R L IY",)


def test_like_sounds_are_nearer_than_unlike_ones() -> None:
    bat, pat, cat = ("B", "AE", "T"), ("P", "AE", "T"), ("K", "AE", "T")
    assert phone_distance(bat, bat) == 0
    assert 0 < phone_distance(bat, pat) < phone_distance(bat, cat) < 1
    assert phone_distance(bat, ()) == 1
