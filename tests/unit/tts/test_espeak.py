# ruff: noqa: RUF001 (IPA is made of look-alikes)
from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from services.common.audio import Int16
from services.common.errors import EngineDead, InvalidInput
from services.tts.engine import Pronunciation, SpeakerConfig
from services.tts.engines import espeak
from services.tts.engines.espeak_ipa import to_espeak
from services.tts.engines.espeak_voices import VoiceCatalogue, VoiceEntry
from services.tts.settings import TtsSettings
from services.tts.text import prepare

pytestmark = pytest.mark.unit

CATALOGUE = VoiceCatalogue(
    [
        VoiceEntry("gmw/en", ((2, "en-gb"), (2, "en"))),
        VoiceEntry("gmw/en-US", ((2, "en-us"), (3, "en"))),
        VoiceEntry("roa/fr-BE", ((5, "fr-be"), (8, "fr"))),
        VoiceEntry("roa/fr", ((5, "fr-fr"), (5, "fr"))),
        VoiceEntry("sit/yue", ((5, "yue"), (8, "zh"))),
        VoiceEntry("sit/yue-Latn-jyutping", ((5, "yue"), (8, "zh"))),
        VoiceEntry("sit/cmn", ((5, "cmn"), (5, "zh"))),
    ],
    ["f3", "Annie", "m1"],
    default="en-us+f3",
)


@pytest.mark.parametrize(
    ("voice", "language", "name", "file"),
    [
        ("", "", "en-us+f3", "gmw/en-US+f3"),
        ("en-gb", "", "en-gb", "gmw/en"),
        ("EN-GB+M1", "fr", "en-gb+m1", "gmw/en+m1"),
        ("en-us+annie", "", "en-us+Annie", "gmw/en-US+Annie"),
        ("fr", "", "fr-fr", "roa/fr"),
        ("yue-latn-jyutping", "", "yue-latn-jyutping", "sit/yue-Latn-jyutping"),
        ("", "en", "en-us+f3", "gmw/en-US+f3"),
        ("", "en-US", "en-us+f3", "gmw/en-US+f3"),
        ("", "en-GB", "en-gb", "gmw/en"),
        ("", "en-IE", "en-us+f3", "gmw/en-US+f3"),
        ("", "fr-CA", "fr-fr", "roa/fr"),
        ("", "zh-Hans-CN", "cmn", "sit/cmn"),
    ],
)
def test_a_voice_is_chosen_by_name_then_language_then_default(voice: str, language: str, name: str, file: str) -> None:
    chosen = CATALOGUE.choose(voice, language)
    assert (chosen.name, chosen.file) == (name, file)


@pytest.mark.parametrize(
    ("voice", "language", "near"),
    [
        ("en-uk", "", "en-gb"),
        ("en-us+f9", "", "f3"),
        ("klingon", "", "en-us"),
        ("", "tlh", "en-us"),
        ("fr-xx", "", "fr-be"),
    ],
)
def test_unknown_voices_are_refused_with_near_ones(voice: str, language: str, near: str) -> None:
    with pytest.raises(InvalidInput, match=near):
        CATALOGUE.choose(voice, language)


@pytest.mark.parametrize(
    ("ipa", "names"),
    [
        ("həlˈoʊ", "h|@|l|'oU"),
        ("/kæˈfeɪ/", "k|a|'f|eI"),
        ("ˈsɪr.ʃə", "'s|I|r|S|@"),
        ("t͡ʃɜːtʃ", "tS|3:|tS"),
        ("ˌæpəˈtaɪzɪŋ", ",a|p|@|'t|aI|z|I|N"),
        ("ʘ", None),
        ("", None),
    ],
)
def test_ipa_becomes_phoneme_names_or_is_refused_whole(ipa: str, names: str | None) -> None:
    assert to_espeak(ipa) == names


def test_silence_is_trimmed_but_for_a_short_lead_in() -> None:
    samples = np.zeros(22050, np.int16)
    samples[2205:4410] = 1000
    trimmed = espeak.trim(samples, 22050)
    assert trimmed.cut_ms == pytest.approx(95, abs=0.1)
    assert len(trimmed.samples) == 2205 + 110
    assert trimmed.loud_ms[0] == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("samples", [np.zeros(0, np.int16), np.full(100, -10, np.int16)])
def test_nothing_but_silence_is_nothing(samples: Int16) -> None:
    assert len(espeak.trim(samples, 22050).samples) == 0


def test_the_loudest_negative_sample_is_loud() -> None:
    assert len(espeak.trim(np.full(1, -32768, np.int16), 22050).samples) == 1


def test_pauses_follow_the_last_mark_and_the_speed() -> None:
    assert espeak.pause_ms("Done.", 1) > espeak.pause_ms("first,", 1) > espeak.pause_ms("cut", 1) > 0
    assert espeak.pause_ms("Done.", 2) == espeak.pause_ms("Done.", 1) / 2


async def speak(engine: espeak.EspeakEngine, text: str, *pronunciations: Pronunciation, voice: str = "en-us") -> bytes:
    config = SpeakerConfig(22050, voice=voice, pronunciations=pronunciations)
    return b"".join([piece.pcm async for piece in engine.speaker(config).render(prepare(text))])


async def test_pronunciations_are_heard(caplog: pytest.LogCaptureFixture) -> None:
    engine = espeak.EspeakEngine(TtsSettings())
    await engine.start()
    try:
        plain = await speak(engine, "Saoirse")
        assert len(await speak(engine, "Saoirse", Pronunciation("saoirse", respelling="a much longer name"))) > len(
            plain
        )
        # The library's own IPA for "hello" must sound like "hello" (its lengths vary by a few samples).
        by_ipa = await speak(engine, "Zzyzx", Pronunciation("zzyzx", ipa="həlˈoʊ"))
        assert len(by_ipa) == pytest.approx(len(await speak(engine, "hello")), rel=0.05)
        assert not caplog.records
        assert abs(len(await speak(engine, "Saoirse", Pronunciation("saoirse", ipa="ʘʘ"))) - len(plain)) < 2000
        assert abs(len(await speak(engine, "oui", Pronunciation("oui", ipa="həlˈoʊ"), voice="fr"))) > 0
        assert [record.getMessage().split(":")[0] for record in caplog.records] == ["IPA pronunciations ignored"] * 2
        assert "Saoirse" not in caplog.text
    finally:
        await engine.close()


async def test_phoneme_brackets_in_the_text_are_not_phonemes() -> None:
    engine = espeak.EspeakEngine(TtsSettings())
    await engine.start()
    try:
        with_ipa = Pronunciation("x", ipa="ɛks")
        bracketed = await speak(engine, "[[h@l'oU h@l'oU h@l'oU h@l'oU]]", with_ipa)
        spelled = await speak(engine, "h@l'oU h@l'oU h@l'oU h@l'oU")
        assert len(bracketed) == pytest.approx(len(spelled), rel=0.05)
    finally:
        await engine.close()


async def test_endless_text_is_cut_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    engine = espeak.EspeakEngine(TtsSettings())
    await engine.start()
    try:
        assert len(await speak(engine, "日" * 240)) < 90 * 22050 * 2
        assert "too long to say" in caplog.text
    finally:
        await engine.close()


async def test_a_library_that_never_returns_is_a_dead_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "_ABORT_GRACE_S", 0.05)
    engine = espeak.EspeakEngine(TtsSettings())
    await engine.start()
    begun, release = threading.Event(), threading.Event()

    def stuck(should_stop: object) -> None:
        begun.set()
        release.wait(10)

    task = asyncio.create_task(engine.run(stuck))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    try:
        with pytest.raises(EngineDead):
            await task
    finally:
        release.set()
        await engine.close()


async def test_cancelled_work_is_aborted_and_queued_work_never_starts() -> None:
    engine = espeak.EspeakEngine(TtsSettings())
    await engine.start()
    begun = threading.Event()
    stopped = threading.Event()
    late = threading.Event()

    def until_told(should_stop: object) -> None:
        begun.set()
        assert callable(should_stop)
        while not should_stop():
            stopped.wait(0.001)
        stopped.set()

    first = asyncio.create_task(engine.run(until_told))
    second = asyncio.create_task(engine.run(lambda _: late.set()))
    await asyncio.to_thread(begun.wait, 5)
    for task in (second, first):
        task.cancel()
    async with asyncio.timeout(5):
        ends = await asyncio.gather(first, second, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    assert stopped.is_set()
    assert not late.is_set()
    await engine.close()
