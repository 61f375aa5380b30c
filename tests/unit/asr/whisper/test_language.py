"""In which language a stream is decoded."""

from __future__ import annotations

import pytest

from services.asr.engines.whisper.language import DETECT, ENOUGH_MS, LanguageChoice, detected, whisper_code
from services.common.errors import InvalidInput

pytestmark = pytest.mark.unit

KNOWN = ("en", "de", "no", "zh", "yue", "he")


@pytest.mark.parametrize(
    ("tag", "code"),
    [("", DETECT), ("en-US", "en"), ("DE_at", "de"), ("nb-NO", "no"), ("zh-HK", "yue"), ("zh-CN", "zh"), ("iw", "he")],
)
def test_tags_become_whispers_codes(tag: str, code: str) -> None:
    assert whisper_code(tag, KNOWN) == code


def test_a_language_that_the_model_lacks_is_refused() -> None:
    with pytest.raises(InvalidInput, match="takes one of de, en"):
        whisper_code("fr-FR", KNOWN)
    with pytest.raises(InvalidInput, match="knows English only"):
        whisper_code("de-DE", ("en",))


def test_a_named_language_is_never_detected() -> None:
    choice = LanguageChoice("de", "de-AT")
    choice.learn("en", 1.0, 5000)
    assert (choice.wanted, choice.told) == ("de", "de-AT")


def test_a_detected_language_holds_once_enough_was_heard_and_may_change_with_the_next_utterance() -> None:
    choice = LanguageChoice(DETECT, "")
    choice.learn("de", 0.9, ENOUGH_MS - 1)
    assert (choice.wanted, choice.told) == (DETECT, "de")
    choice.learn("en", 0.9, ENOUGH_MS)
    choice.learn("de", 0.9, 9000)
    assert (choice.wanted, choice.told) == ("en", "en")
    choice.next_utterance()
    assert choice.wanted == DETECT
    choice.learn("de", 0.9, ENOUGH_MS)
    assert choice.wanted == "de"


def test_doubt_stays_with_the_previous_language() -> None:
    shares = {"en": 0.4, "de": 0.3, "no": 0.3}
    assert detected(shares, KNOWN, "de") == ("de", 0.3)
    assert detected({"en": 0.9, "de": 0.1}, KNOWN, "de") == ("en", 0.9)
    assert detected(shares, KNOWN, "")[0] == "en"


def test_only_allowed_languages_are_detected() -> None:
    assert detected({"fr": 0.5, "en": 0.375, "de": 0.125}, ("en", "de"), "") == ("en", 0.75)
