"""What is asked of the model, and what becomes of its answers."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from services.asr.engines.whisper.hearing import Answer, Hearing
from services.asr.engines.whisper.language import language_choice
from tests.unit.asr.whisper.oracle import SETUP, START_OF_PREVIOUS, Script, hearing, words

pytestmark = pytest.mark.unit

CHUNK_BYTES = 3200


def stream(heard: Hearing, script: Script, every_ms: int = 300) -> list[str]:
    """Feed a script as a call would, with a decode each `every_ms` of new speech; return the stable prefixes."""
    prefixes = []
    for at in range(0, len(script.pcm), CHUNK_BYTES):
        heard.accept(script.pcm[at : at + CHUNK_BYTES])
        if not heard.is_covered and heard.unasked_ms >= every_ms:
            question = heard.ask()
            heard.learn(question, script.answer(question))
        recognised = heard.recognised()
        assert recognised.stable_prefix is not None
        assert recognised.text.startswith(recognised.stable_prefix)
        prefixes.append(recognised.stable_prefix)
    return prefixes


def finish(heard: Hearing, script: Script) -> str:
    while not heard.is_covered:
        question = heard.ask()
        heard.learn(question, script.answer(question))
    return heard.recognised().text


def test_silence_is_never_asked_about() -> None:
    heard = hearing()
    heard.accept(Script().pause(3000).pcm)
    assert heard.speech_end_ms == 0
    assert heard.is_covered
    assert heard.recognised().text == ""


def test_only_speech_is_asked_about() -> None:
    heard, script = hearing(), Script().pause(2000).say("yes please").pause(1000)
    heard.accept(script.pcm)
    question = heard.ask()
    assert question.start_ms == 1800
    assert question.length_ms == pytest.approx(200 + 660 + 200, abs=40)


def test_words_come_with_times_in_the_utterance() -> None:
    heard, script = hearing(), Script().pause(2000).say("yes please").pause(500)
    heard.accept(script.pcm)
    assert finish(heard, script) == "yes please"
    assert [(one.text, one.start_ms, one.end_ms) for one in heard.recognised().words] == [
        ("yes", 2000, 2300),
        ("please", 2360, 2660),
    ]


def test_a_prefix_grows_and_never_changes() -> None:
    heard, script = hearing(), Script().pause(250).say("i would like to book a table for two on monday").pause(300)
    prefixes = stream(heard, script)
    assert finish(heard, script) == "i would like to book a table for two on monday"
    for before, after in itertools.pairwise(prefixes):
        assert after.startswith(before)
    assert prefixes[-1].startswith("i would like to book a table")
    assert "~" not in prefixes[-1]


def test_committed_words_go_before_the_transcript_and_their_audio_is_dropped() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    heard, script = hearing(terms=(501, 502)), Script().say(" ".join([text] * 3)).pause(300)
    stream(heard, script)
    assert finish(heard, script) == " ".join([text] * 3)
    longest_ms = max(question.length_ms for question in script.asked)
    assert longest_ms < 7_000  # of 18 s
    last = script.asked[-1]
    assert last.previous[:3] == (START_OF_PREVIOUS, 501, 502)
    assert len(last.previous) > 10
    assert last.prefix
    assert max(len(question.prefix) for question in script.asked) < 20


def test_a_long_pause_parts_stretches_and_is_not_decoded() -> None:
    heard, script = hearing(), Script().say("i would like to book").pause(2000).say("a table").pause(300)
    stream(heard, script)
    assert finish(heard, script) == "i would like to book a table"
    assert max(question.length_ms for question in script.asked) < 2_300
    gap_ms = heard.recognised().words[5].start_ms - heard.recognised().words[4].end_ms
    assert gap_ms > 1900


def test_an_utterance_that_comes_all_at_once_is_decoded_window_by_window() -> None:
    setup = replace(SETUP, window_ms=6_000)
    text = " ".join(f"word{place}" for place in range(60))
    heard, script = hearing(setup), Script().say(text).pause(200)
    heard.accept(script.pcm)
    assert finish(heard, script) == text
    assert max(question.length_ms for question in script.asked) <= 6_000
    assert len(script.asked) < 10
    edges = [edge for one in heard.recognised().words for edge in (one.start_ms, one.end_ms)]
    assert edges == sorted(edges)


def test_a_window_without_words_is_passed() -> None:
    setup = replace(SETUP, window_ms=6_000)
    heard, script = hearing(setup), Script().say("la " * 60)
    heard.accept(script.pcm)
    script.said.clear()
    assert finish(heard, script) == ""


def test_a_final_covers_until_speech_goes_on() -> None:
    heard, script = hearing(), Script().say("how much is").pause(300)
    heard.accept(script.pcm)
    assert finish(heard, script) == "how much is"
    asked = len(script.asked)
    script.pause(200)
    heard.accept(script.pcm[-6400:])
    assert heard.is_covered  # only silence since
    begin = len(script.pcm)
    script.say("a cleaning").pause(200)
    heard.accept(script.pcm[begin:])
    assert not heard.is_covered
    assert finish(heard, script) == "how much is a cleaning"
    assert len(script.asked) == asked + 1


def test_a_phantom_is_dropped_and_the_words_before_it_stay() -> None:
    heard, script = hearing(), Script().say("yes").pause(1500)
    heard.accept(script.pcm)
    assert finish(heard, script) == "yes"
    begin = len(script.pcm)
    script.say("hum").pause(200)
    heard.accept(script.pcm[begin:])
    heard.learn(heard.ask(), Answer(tuple(words("Thank you.")), -1.2, 0.8, "en"))
    assert heard.recognised().text == "yes"
    assert heard.is_covered


def test_a_noise_is_in_no_language() -> None:
    heard = Hearing(SETUP, language_choice("en-US", ["en-US", "de-DE"], ("en", "de")), ())
    noise, script = Script().say("one two three four five six").pause(500), Script().say("yes").pause(500)
    heard.accept(noise.pcm)
    heard.learn(heard.ask(), Answer(tuple(words("vielen dank")), -2.0, 0.9, "de", 0.9))
    heard.reset()
    heard.accept(script.pcm)
    question = heard.ask()
    assert (question.detection.current, question.detection.is_settled) == ("en", False)


def test_reset_forgets_everything() -> None:
    heard, script = hearing(), Script().say("yes please").pause(200)
    heard.accept(script.pcm)
    finish(heard, script)
    heard.reset()
    assert heard.recognised().text == ""
    assert heard.speech_end_ms == 0
    heard.accept(script.pcm)
    assert finish(heard, script) == "yes please"


def test_an_unanswered_question_is_asked_again() -> None:
    heard, script = hearing(), Script().say("yes please")
    heard.accept(script.pcm)
    assert heard.unasked_ms > 0
    question = heard.ask()
    assert heard.unasked_ms == 0
    heard.abandon(question)
    assert heard.unasked_ms > 0


def test_a_decode_is_bounded_by_its_audio() -> None:
    heard, script = hearing(), Script().say("yes please").pause(300)
    heard.accept(script.pcm)
    assert heard.ask().max_new_tokens < 20
