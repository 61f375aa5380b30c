"""In which language a stream is decoded."""

from __future__ import annotations

import pytest

from services.asr.engines.whisper.language import (
    DETECT,
    ENOUGH_MS,
    SETTLED_MS,
    SURE_OF_SWITCH,
    SWITCH_MS,
    Detection,
    LanguageChoice,
    language_choice,
    whisper_code,
)
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
    assert Detection(current="de").choose(shares, KNOWN) == ("de", 0.3)
    assert Detection(current="de").choose({"en": 0.9, "de": 0.1}, KNOWN) == ("en", 0.9)
    assert Detection().choose(shares, KNOWN)[0] == "en"


def test_only_allowed_languages_are_detected() -> None:
    shares = {"fr": 0.5, "en": 0.375, "de": 0.125}
    assert Detection().choose(shares, ("en", "de")) == ("en", 0.75)
    assert Detection(("de", "no"), "no").choose({**shares, "no": 0.0}, KNOWN) == ("de", 1.0)


def test_however_unsure_it_is_settled_in_the_end() -> None:
    choice = LanguageChoice(DETECT, "")
    choice.learn("de", 0.3, SETTLED_MS - 1)
    assert choice.wanted == DETECT
    choice.learn("de", 0.3, SETTLED_MS)
    assert choice.wanted == "de"


# --- a config that names several --------------------------------------------------------------------------------------


def test_several_languages_are_told_by_the_tags_of_the_config() -> None:
    choice = language_choice("en-US", ["en-US", "de-AT", "fr-FR"], KNOWN)
    assert dict(choice.among) == {"en": "en-US", "de": "de-AT"}  # it lacks French, and hears the others
    assert (choice.wanted, choice.told) == (DETECT, "en-US")
    choice.learn("de", 0.9, ENOUGH_MS)
    assert (choice.wanted, choice.told) == ("de", "de-AT")


@pytest.mark.parametrize("languages", [[], ["en-US"], ["en-US", "fr-FR"], ["en-US", "en-GB"]])
def test_where_but_one_can_be_told_it_is_named(languages: list[str]) -> None:
    choice = language_choice("en-US", languages, KNOWN)
    assert (choice.wanted, choice.told, dict(choice.among)) == ("en", "en-US", {})


def test_a_first_language_that_the_model_lacks_is_refused_however_many_there_are() -> None:
    with pytest.raises(InvalidInput, match="fr-FR"):
        language_choice("fr-FR", ["fr-FR", "en-US", "de-DE"], KNOWN)


def heard(choice: LanguageChoice, german: float, speech_ms: int) -> str:
    """Return what is told after an utterance of `speech_ms`, of which `german` is the share of German."""
    choice.next_utterance()
    chosen = choice.detection(speech_ms).choose({"de": german, "en": 1 - german}, KNOWN)
    choice.learn(*chosen, speech_ms + 400)
    return choice.told


def test_the_first_words_of_a_call_may_be_short_in_any_language() -> None:
    assert heard(language_choice("en-US", ["en-US", "de-DE"], KNOWN), 0.6, 300) == "de-DE"
    assert heard(language_choice("en-US", ["en-US", "de-DE"], KNOWN), 0.45, 300) == "en-US"


def test_one_short_word_does_not_flip_a_call_and_a_sentence_does() -> None:
    choice = language_choice("en-US", ["en-US", "de-DE"], KNOWN)
    assert heard(choice, 0.1, 1500) == "en-US"
    assert heard(choice, 0.99, SWITCH_MS - 1) == "en-US"
    assert heard(choice, SURE_OF_SWITCH - 0.05, 3000) == "en-US"
    assert heard(choice, 0.95, SWITCH_MS) == "de-DE"
    assert heard(choice, 0.05, 300) == "de-DE"
    assert heard(choice, 0.05, 1500) == "en-US"
