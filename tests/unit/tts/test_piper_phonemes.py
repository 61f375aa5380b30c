# ruff: noqa: RUF001 (IPA is made of look-alikes)
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP as KNOWN
from piper.phonemize_espeak import EspeakPhonemizer

from services.common.errors import EngineFault
from services.tts.engine import Pronunciation
from services.tts.engines.espeak_library import load_library
from services.tts.engines.piper_phonemes import Lexicon, Phonemes, Phonemizer, Said, to_phonemes
from services.tts.text import prepare

pytestmark = pytest.mark.unit


def say(text: str, *entries: Pronunciation, voice: str = "en-us") -> tuple[list[str], list[str]]:
    """Return the sentences of `text`, and what became of each word."""
    phrase = prepare(text)
    words = [phrase.text[word.start : word.end] for word in phrase.words]
    said = Phonemizer(voice, Lexicon(entries, KNOWN, takes_ipa=True)).say(phrase.text, words)
    return ["".join(sentence) for sentence in said.sentences], heard(said)


def heard(said: Said) -> list[str]:
    return ["".join(said.sentences[place.sentence][place.start : place.end]) for place in said.places]


@pytest.mark.parametrize(
    "text",
    [
        "Hello.",
        "I am fine, thanks. How are you? It's 21°C: really.",
        "Your total is $45.50 for 3 items; see you at 10:30",
        "Wait! (Not now) he said",
    ],
)
def test_text_becomes_the_phonemes_that_piper_itself_would_take(text: str) -> None:
    theirs = ["".join(sentence).strip() for sentence in EspeakPhonemizer().phonemize("en-us", text)]
    assert say(text)[0] == theirs
    Phonemes._voice = ""  # theirs set the library's voice beside ours


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello there.", ["həlˈoʊ", "ðˈɛɹ"]),
        ("It's 21°C — really.", ["ɪts", "twˈɛnti wˈʌn dᵻɡɹˈiːz sˈiː", "", "ɹˈiəli"]),
        ("the end of the line. At the shop", ["ðɪʲ", "ˈɛnd", "ʌv", "ðə", "lˈaɪn", "æt", "ðə", "ʃˈɑːp"]),
        ("the 3rd of the 21st", ["ðə", "θˈɜːd", "ʌv", "ðə", "twˈɛnti fˈɜːst"]),
        ("... yes", ["", "jˈɛs"]),
    ],
)
def test_every_word_is_found_in_what_is_said(text: str, words: list[str]) -> None:
    assert say(text)[1] == words


def test_the_ends_of_lines_and_titles_are_read_as_they_are_meant() -> None:
    assert say("one\ntwo")[0] == ["wˌʌn, tˈuː"]
    assert say("Dr. Smith met Mr. Bond.")[0] == ["dˈɑːktɚ smˈɪθ mˈɛt mˈɪstɚ bˈɑːnd."]


def test_brackets_in_the_text_are_not_phonemes() -> None:
    assert say("[[həlˈoʊ]]")[0] != ["həlˈoʊ"]


def test_an_entry_in_ipa_or_respelled_stands_for_the_whole_word_in_any_case() -> None:
    ipa, respelled = Pronunciation("saoirse", ipa="/ˈsɪɹ.ʃə/"), Pronunciation("sql", respelling="sequel")
    sentences, words = say('Hi SAOIRSE, Saoirse\'s SQL: "Saoirse" is no saoirsean. Saoirse!', ipa, respelled)
    assert sentences[0].startswith("hˈaɪ sˈɪɹʃə, sˈɪɹʃəz sˈiːkwəl: sˈɪɹʃə ɪz nˈoʊ ")
    assert sentences[1] == "sˈɪɹʃə!"
    assert words[:6] == ["hˈaɪ", "sˈɪɹʃə", "sˈɪɹʃəz", "sˈiːkwəl", "sˈɪɹʃə", "ɪz"]
    assert "sˈɪɹʃə" not in words[7]
    assert words[-1] == "sˈɪɹʃə"


def test_where_two_entries_match_the_longer_wins() -> None:
    entries = Pronunciation("New", ipa="njuː"), Pronunciation("New York", respelling="gotham")
    sentences, words = say("New York is New", *entries)
    assert sentences == [say("gotham is")[0][0] + " njuː"]
    assert words[2:] == ["ɪz", "njuː"]


@pytest.mark.parametrize(
    ("ipa", "phonemes"),
    [
        ("kæˈfeɪ", "kæfˈeɪ"),  # the stress goes to the vowel, as in all that a voice was taught
        ("/ˌæp.əˈtaɪz/", "ˌæpətˈaɪz"),
        ("t͡ʃɜːtʃ", "tʃɜːtʃ"),
        ("ga", "ɡa"),
        ("ã", "a\u0303"),
        ("a☃", None),
        ("", None),
    ],
)
def test_ipa_becomes_phonemes_of_the_voice_or_is_refused_whole(ipa: str, phonemes: str | None) -> None:
    made = to_phonemes(ipa, KNOWN)
    assert (None if made is None else "".join(made)) == phonemes


def test_ipa_that_the_voice_cannot_say_is_counted_and_left_out() -> None:
    entries = [Pronunciation("snow", ipa="☃"), Pronunciation("rain", ipa="ɹeɪn")]
    assert Lexicon(entries, KNOWN, takes_ipa=True).ignored == 1
    assert Lexicon(entries, KNOWN, takes_ipa=False).ignored == 2
    assert say("snow", entries[0])[1] == say("snow")[1]


def test_a_voice_of_letters_is_given_letters() -> None:
    phonemizer = Phonemizer("-", Lexicon((), (), takes_ipa=False), is_espeak=False)
    said = phonemizer.say("ça va (oui)", ["ça", "va", "(oui)"])
    assert said.sentences == (tuple("c\u0327a va (oui)"),)
    assert heard(said) == ["c\u0327a", "va", "(oui)"]


def test_vowels_that_a_voice_knows_as_one_are_one() -> None:
    lexicon = Lexicon((), KNOWN, takes_ipa=True)
    said = Phonemizer("en-us", lexicon, clusters=[("o", "ʊ"), ("a", "ɪ")]).say("hi, hello", ["hi,", "hello"])
    assert said.sentences[0] == ("h", "ˈ", "aɪ", ",", " ", "h", "ə", "l", "ˈ", "oʊ")
    assert heard(said) == ["hˈaɪ", "həlˈoʊ"]


def test_a_voice_that_espeak_lacks_is_an_engine_fault() -> None:
    with pytest.raises(EngineFault, match="no-such"):
        Phonemes.clauses("no-such", "hello")
    assert say("hello")[1] == ["həlˈoʊ"]


def test_threads_and_languages_and_our_espeak_engine_do_not_get_into_each_others_way() -> None:
    """Three users of espeak-ng at once: two voices of piper's copy, and the library that speaks itself."""
    library = load_library()

    def speak() -> int:
        speech = library.speak(
            "hello there", voice_file="gmw/en-US", words_per_minute=175, phonemes=False, should_stop=lambda _: False
        )
        return len(speech.samples)

    def english() -> list[str]:
        return say("hello there")[1]

    def french() -> list[str]:
        return say("bonjour là", voice="fr")[1]

    expected = english(), french()
    with ThreadPoolExecutor(6) as threads:
        spoken = [threads.submit(speak) for _ in range(10)]
        said = [(threads.submit(english), threads.submit(french)) for _ in range(30)]
        assert all(future.result() > 10_000 for future in spoken)
        assert all((first.result(), second.result()) == expected for first, second in said)
