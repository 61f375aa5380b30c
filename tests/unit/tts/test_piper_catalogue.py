from __future__ import annotations

import pytest

from services.common.errors import InvalidInput
from services.tts.engines.piper_catalogue import ChosenVoice, VoiceCatalogue, VoiceEntry

pytestmark = pytest.mark.unit

VOICES = [
    VoiceEntry("en_US-ljspeech-high", "en-us"),
    VoiceEntry("en_GB-vctk-medium", "en-gb", {"p239": 0, "p236": 1, "Anna": 2}, speaker_count=3, default_speaker=1),
    VoiceEntry("de_DE-thorsten-medium", "de-de"),
]
CATALOGUE = VoiceCatalogue(VOICES)


@pytest.mark.parametrize(
    ("voice", "language", "name", "speaker"),
    [
        ("", "", "en_US-ljspeech-high", 0),
        ("EN_us-LJSpeech-high", "de", "en_US-ljspeech-high", 0),
        ("en_GB-vctk-medium", "", "en_GB-vctk-medium", 1),
        ("en_GB-vctk-medium#2", "", "en_GB-vctk-medium", 2),
        ("en_GB-vctk-medium#anna", "", "en_GB-vctk-medium", 2),
        ("en_GB-vctk-medium#p239", "", "en_GB-vctk-medium", 0),
        ("en-gb", "", "en_GB-vctk-medium", 1),
        ("", "en", "en_US-ljspeech-high", 0),
        ("", "en_GB", "en_GB-vctk-medium", 1),
        ("", "en-IE", "en_US-ljspeech-high", 0),
        ("", "de-AT", "de_DE-thorsten-medium", 0),
    ],
)
def test_a_voice_is_chosen_by_name_then_language_then_default(
    voice: str, language: str, name: str, speaker: int
) -> None:
    assert CATALOGUE.choose(voice, language) == ChosenVoice(name, speaker)


@pytest.mark.parametrize(
    ("voice", "language", "near"),
    [
        ("en_US-ljspeach-high", "", "en_US-ljspeech-high"),
        ("klingon", "", "en_US-ljspeech-high"),
        ("en-nowhere", "", "en-us"),
        ("en_GB-vctk-medium#bob", "", "up to 2, or one of"),
        ("en_GB-vctk-medium#3", "", "up to 2"),
        ("de_DE-thorsten-medium#0", "", "one speaker only"),
        ("", "fr-FR", "de-de"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(voice: str, language: str, near: str) -> None:
    with pytest.raises(InvalidInput, match=near):
        CATALOGUE.choose(voice, language)


def test_the_default_can_be_set_with_its_speaker_and_is_kept_for_its_language() -> None:
    catalogue = VoiceCatalogue(VOICES, "en_GB-vctk-medium#Anna")
    anna = ChosenVoice("en_GB-vctk-medium", 2)
    assert catalogue.choose("", "") == anna
    assert catalogue.choose("", "en") == anna
    assert catalogue.choose("", "en-us").name == "en_US-ljspeech-high"
    with pytest.raises(InvalidInput, match="unknown voice"):
        VoiceCatalogue(VOICES, "nobody")


def test_speakers_and_languages_are_listed_and_a_thousand_speakers_are_not() -> None:
    assert CATALOGUE.listed == (
        *("en_US-ljspeech-high", "en_GB-vctk-medium", "de_DE-thorsten-medium"),
        *("en_GB-vctk-medium#p239", "en_GB-vctk-medium#p236", "en_GB-vctk-medium#Anna"),
        *("en-us", "en-gb", "de-de"),
    )
    many = VoiceCatalogue([VoiceEntry("en_US-libritts-high", "en-us", speaker_count=904)])
    assert 10 < len(many.listed) < 50
    assert many.choose("en_US-libritts-high#903", "").speaker == 903
