# ruff: noqa: RUF001 (IPA is made of look-alikes)
from __future__ import annotations

import asyncio
import json
import logging
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from scripts.test_models.piper_tiny import sounds
from services.common.errors import EngineDead, EngineFault, InvalidInput
from services.tts.engine import Pronunciation, Rendered, SpeakerConfig
from services.tts.engines.piper import PiperEngine
from services.tts.engines.piper_voice import Voice
from services.tts.settings import TtsSettings
from services.tts.text import prepare
from tests.support.piper import PIPER_TINY, shaped_voice

pytestmark = pytest.mark.unit

TEXT = "The quick brown fox jumps over the lazy dog, and rests."
LOW = "piper-tiny#low"


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return settings of a voice with a real decoder, made to say everything the same way every time."""
    same = {"piper_noise_scale": 0, "piper_noise_w_scale": 0, "piper_peak": 0}
    return shaped_voice(tmp_path_factory.mktemp("voices")) | same


@asynccontextmanager
async def started(**settings: Any) -> AsyncIterator[PiperEngine]:
    engine = PiperEngine(TtsSettings(**(PIPER_TINY | settings)))
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


async def speak(engine: PiperEngine, text: str = TEXT, rate_hz: int = 22050, **config: Any) -> list[Rendered]:
    async with asyncio.timeout(20):
        speaker = engine.speaker(SpeakerConfig(rate_hz, **config))
        return [piece async for piece in speaker.render(prepare(text))]


def samples(pieces: list[Rendered]) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.frombuffer(b"".join(piece.pcm for piece in pieces), "<i2")


def pitch_hz(pcm: np.ndarray[Any, np.dtype[np.int16]], at_ms: float, rate_hz: int = 22050) -> float:
    """Return the pitch of the 40 ms of a tone that begin at `at_ms`."""
    window = pcm[round(at_ms * rate_hz / 1000) :][: rate_hz // 25].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window)), 1 << 16))
    return float(np.argmax(spectrum) * rate_hz / (1 << 16))


async def test_decoded_in_pieces_it_sounds_as_decoded_at_once(shaped: dict[str, Any]) -> None:
    async with started(**shaped) as engine, started(**shaped, piper_streaming=False) as whole:
        for rate_hz in (22050, 16000):
            in_pieces, at_once = await speak(engine, rate_hz=rate_hz), await speak(whole, rate_hz=rate_hz)
            assert len(in_pieces) > 3 > len(at_once)
            assert np.abs(samples(at_once)).max() > 3000
            np.testing.assert_allclose(samples(in_pieces), samples(at_once), atol=3)
            assert [piece.words for piece in in_pieces if piece.words] == [at_once[0].words]


async def test_the_first_audio_leaves_before_the_rest_is_decoded(
    shaped: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(**shaped) as engine:
        decoded: list[int] = []
        decode = Voice.decode

        def counting(self: Voice, latent: Any, *rest: Any) -> Any:
            decoded.append(latent.shape[2])
            return decode(self, latent, *rest)

        monkeypatch.setattr(Voice, "decode", counting)
        async with aclosing(engine.speaker(SpeakerConfig(22050)).render(prepare(TEXT))) as pieces:
            await anext(pieces)
            first = list(decoded)
            async for _ in pieces:
                pass
        assert len(first) == 1
        assert first[0] < sum(decoded) / 4


async def test_words_are_where_their_phonemes_sound() -> None:
    """The voice of tones plays each phoneme at a pitch of its own, so a word's first vowel can be heard at its time."""
    async with started() as engine:
        pieces = await speak(engine, "see a sea, ooh I see.", voice=LOW)
        pcm, words = samples(pieces), [word for piece in pieces for word in piece.words]
        assert len(words) == 6
        assert len({word.start_ms for word in words}) == 6
        s_hz = sounds.pitch_hz(31)
        for index in (0, 2, 5):
            assert pitch_hz(pcm, words[index].start_ms) == pytest.approx(s_hz, abs=30)
        assert all(pitch_hz(pcm, words[index].start_ms) != pytest.approx(s_hz, abs=30) for index in (1, 3, 4))


async def test_a_voice_without_durations_has_its_words_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started() as engine:
        told = [word for piece in await speak(engine) for word in piece.words]
        encode = Voice.encode
        monkeypatch.setattr(Voice, "encode", lambda self, *rest: (encode(self, *rest)[0], None))
        guessed = [word for piece in await speak(engine) for word in piece.words]
        assert [word.span for word in guessed] == [word.span for word in told]
        length_ms = told[-1].end_ms
        assert max(abs(a.start_ms - b.start_ms) for a, b in zip(told, guessed, strict=True)) < length_ms * 0.15


async def test_ipa_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    async with started() as engine:
        hello = samples(await speak(engine, "hello", voice=LOW))
        entry = Pronunciation("zzyzx", ipa="həlˈoʊ")
        assert np.array_equal(samples(await speak(engine, "ZZYZX", voice=LOW, pronunciations=(entry,))), hello)
        assert not caplog.records
        unknown = Pronunciation("zzyzx", ipa="h☃")
        plain = samples(await speak(engine, "Zzyzx", voice=LOW))
        assert np.array_equal(samples(await speak(engine, "Zzyzx", voice=LOW, pronunciations=(unknown,))), plain)
        assert [record.getMessage().split(":")[0] for record in caplog.records] == ["IPA pronunciations ignored"]


async def test_speakers_differ() -> None:
    async with started() as engine:
        low, high = [samples(await speak(engine, "see", voice=f"piper-tiny#{name}")) for name in ("low", "high")]
        assert pitch_hz(high, 10) == pytest.approx(1.25 * pitch_hz(low, 10), rel=0.05)
        assert np.array_equal(samples(await speak(engine, "see", voice="piper-tiny#1")), high)
        with pytest.raises(InvalidInput, match="low"):
            engine.speaker(SpeakerConfig(16000, voice="piper-tiny#lo"))


async def test_pauses_follow_the_mark_the_setting_and_the_speed() -> None:
    async with started(piper_sentence_pause_ms=500, piper_clause_pause_ms=300) as engine:

        async def after_last_word_ms(text: str, speed: float = 1) -> float:
            pieces = await speak(engine, text, speed=speed)
            return len(samples(pieces)) / 22.05 - pieces[0].words[-1].end_ms

        plain = await after_last_word_ms("one")
        assert await after_last_word_ms("one.") == pytest.approx(plain - 15 + 500, abs=30)
        assert await after_last_word_ms("one,") == pytest.approx(plain - 15 + 300, abs=30)
        assert await after_last_word_ms("one.", speed=2) == pytest.approx(plain - 15 + 250, abs=30)


async def test_silence_in_front_is_cut_and_the_level_is_one_for_all() -> None:
    async with started(piper_peak=0.5) as engine:
        for text in ("one", "A longer sentence, and then another."):
            pcm = samples(await speak(engine, text))
            assert np.flatnonzero(np.abs(pcm) > 1000)[0] < 22050 * 0.02
            assert np.abs(pcm).max() == pytest.approx(0.5 * 32768, rel=0.02)
    async with started(piper_peak=0) as engine:
        assert np.abs(samples(await speak(engine, "one"))).max() == pytest.approx(sounds.LOUDNESS * 32768, rel=0.02)


async def test_a_voice_decoded_whole_is_heard_from_its_first_clause_on() -> None:
    text = "This is the first clause of the sentence, and this is the second one that comes after it."
    async with started() as engine:
        pieces = await speak(engine, text)
        assert len(pieces) == 2
        assert [len(piece.words) for piece in pieces] == [8, 10]


async def test_a_text_that_would_never_end_is_cut_into_utterances(shaped: dict[str, Any]) -> None:
    async with started(**shaped) as engine:
        text = "1234567890" * 24
        pieces = await speak(engine, text)
        assert [word.span.end for piece in pieces for word in piece.words] == [240]


async def test_cuda_that_is_not_there_refuses_to_start() -> None:
    with pytest.raises(InvalidInput, match=r"PARLEY_TTS_PIPER_DEVICE=cuda.*onnxruntime-gpu"):
        async with started(piper_device="cuda"):
            pass


async def test_a_missing_voice_says_which_command_fetches_it() -> None:
    with pytest.raises(InvalidInput, match="parley models pull de_DE-thorsten-medium"):
        async with started(piper_voices=("piper-tiny", "de_DE-thorsten-medium")):
            pass


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"phoneme_type": "pinyin"}, "more than espeak-ng"),
        ({"espeak": {"voice": "ar"}}, "more than espeak-ng"),
        ({"espeak": {}}, "no configuration"),
        ({"phoneme_id_map": {"a": [1]}}, "no Piper voice"),
        ({"espeak": {"voice": "no-such"}}, "no-such"),
    ],
)
async def test_a_voice_that_cannot_speak_here_refuses_to_start(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    shutil.copytree(Path(".models/test/piper-tiny"), tmp_path / "piper-tiny")
    settings = tmp_path / "piper-tiny" / "piper-tiny.onnx.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | change))
    with pytest.raises((InvalidInput, EngineFault), match=told):
        async with started(models_dir=tmp_path):
            pass


async def test_the_default_voice_can_be_set() -> None:
    async with started(voice="piper-tiny#high") as engine:
        assert np.array_equal(
            samples(await speak(engine, "see")), samples(await speak(engine, "see", voice="piper-tiny#high"))
        )
    with pytest.raises(InvalidInput, match="unknown voice 'nobody'"):
        async with started(voice="nobody"):
            pass


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have calls of a model fail, as many as the list says; -1 is all of them."""
    left = [0]
    run = onnxruntime.InferenceSession.run

    def failing_run(self: Any, *given: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise RuntimeError("CUDA failure 700: an illegal memory access was encountered")
        return run(self, *given)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", failing_run)
    return left


async def test_a_failed_call_fails_its_phrase_alone(failing: list[int], caplog: pytest.LogCaptureFixture) -> None:
    async with started() as engine:
        failing[0] = 1
        with pytest.raises(EngineFault) as failed:
            await speak(engine, "a secret")
        assert not isinstance(failed.value, EngineDead)
        assert engine.running == 0
        assert samples(await speak(engine, "hello")).size
        assert "secret" not in caplog.text


async def test_a_device_that_is_lost_is_a_dead_engine(failing: list[int]) -> None:
    async with started() as engine:
        failing[0] = -1
        with pytest.raises(EngineDead, match="lost"):
            await speak(engine)
        failing[0] = 0


async def test_a_cancel_ends_the_call_in_work(shaped: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(**shaped) as engine:
        begun, given_up = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()
        seen: list[Any] = []
        encode = Voice.encode

        def endless(self: Voice, ids: Any, how: Any, run: Any) -> Any:
            seen.append(run)
            loop.call_soon_threadsafe(begun.set)
            while not given_up.is_set():  # until the options that came with the call end it
                encode(self, ids, how, run)
            return encode(self, ids, how, run)

        monkeypatch.setattr(Voice, "encode", endless)
        task = asyncio.create_task(speak(engine))
        try:
            async with asyncio.timeout(10):
                await begun.wait()
                assert engine.running == 1
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        finally:
            given_up.set()
        assert task.cancelled()
        assert seen[0].terminate
        assert engine.running == 0


async def test_nothing_that_is_said_is_logged(shaped: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with started(**shaped) as engine:
            await speak(engine, "A password: xylophone.", pronunciations=(Pronunciation("xylophone", ipa="☃"),))
    assert "xylophone" not in caplog.text
