"""The real library on the tiny model: one batch of many prompts, lengths and languages, and what cannot be loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from services.asr.engine import StreamOptions
from services.asr.engines.faster_whisper import FasterWhisper
from services.asr.engines.whisper.hearing import Question
from services.asr.engines.whisper.language import DETECT
from services.asr.engines.whisper.model import ModelOptions, Whisper, load_whisper
from services.asr.settings import AsrSettings
from services.common.errors import InvalidInput
from tests.integration.asr.spoken import say
from tests.integration.turn.speech import silence

pytestmark = pytest.mark.integration

FOLDER = Path(".models/test/whisper-words")
TEXT = "what are your opening hours"
VOICE = "en-us+f2"


def options(folder: Path = FOLDER, **fields: object) -> ModelOptions:
    values: dict[str, object] = {
        "folder": folder,
        "device": "cpu",
        "device_index": 0,
        "compute_type": "auto",
        "workers": 1,
        "batch_size": 4,
        "cpu_threads": 1,
        "beam_size": 1,
        "context_ms": 0,
        "languages": ("de", "en"),
    }
    return ModelOptions(**{**values, **fields})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return load_whisper(options())


def spoken(text: str = TEXT) -> bytes:
    return say(text, 16000, VOICE)


def question(pcm: bytes, language: str = "en", **fields: object) -> Question:
    values: dict[str, object] = {"previous": (), "prefix": (), "max_new_tokens": 20, **fields}
    return Question(pcm, language, **values)  # type: ignore[arg-type]


def test_one_batch_says_what_its_questions_say_alone(whisper: Whisper) -> None:
    questions = [
        question(spoken()),
        question(spoken("yes please")),
        question(spoken("monday at three"), DETECT),
        question(spoken("guten tag"), "de"),
        question(spoken(), prefix=tuple(whisper.encode_text(" what are"))),
        question(silence(500)),
    ]
    together = whisper.decode(questions)
    alone = [whisper.decode([one])[0] for one in questions]
    for one, other in zip(together, alone, strict=True):
        assert [word.text for word in one.words] == [word.text for word in other.words]
        assert one.language == other.language
        assert one.log_probability == pytest.approx(other.log_probability, abs=0.05)
        assert one.no_speech == pytest.approx(other.no_speech, abs=0.05)


def test_prompts_of_one_length_share_a_batch(whisper: Whisper) -> None:
    previous = (whisper.start_of_previous, *whisper.encode_text(" smyth"))
    answers = whisper.decode([question(spoken(), previous=previous) for _ in range(3)])
    assert len({answer.words for answer in answers}) == 1


def test_words_lie_inside_their_audio_in_order(whisper: Whisper) -> None:
    pcm = spoken()
    answer = whisper.decode([question(pcm)])[0]
    edges = [edge for word in answer.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(pcm) / 32 + 20 for edge in edges)
    assert all(0 <= word.probability <= 1 for word in answer.words)


def test_what_is_generated_is_bounded(whisper: Whisper) -> None:
    answer = whisper.decode([question(spoken(), max_new_tokens=2)])[0]
    assert sum(len(word.tokens) for word in answer.words) <= 2


def test_a_shorter_context_takes_longer_audio(whisper: Whisper) -> None:
    short = load_whisper(options(context_ms=3000))
    long = spoken() * 3
    assert len(long) > 3000 * 32
    assert short.decode([question(long), question(spoken())])


async def test_a_missing_model_is_told_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    engine = FasterWhisper(AsrSettings(engine="faster-whisper", models_dir=tmp_path))
    with pytest.raises(InvalidInput, match=r"PARLEY_ASR_FASTER_WHISPER_MODEL=.*parley models pull"):
        await engine.start()
    await engine.close()


def test_a_gpu_that_is_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 0)
    with pytest.raises(InvalidInput, match=r"DEVICE='cuda', but no CUDA device"):
        load_whisper(options(device="cuda"))
    assert load_whisper(options(device="auto")).device == "cpu"


def test_a_broken_model_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(FOLDER, folder)
    (folder / "model.bin").write_bytes(b"no model")
    with pytest.raises(InvalidInput, match="does not run"):
        load_whisper(options(folder))


def test_a_language_that_the_model_lacks_is_told() -> None:
    with pytest.raises(InvalidInput, match="LANGUAGES names xx"):
        load_whisper(options(languages=("en", "xx")))


async def test_a_stream_before_the_start_is_refused() -> None:
    with pytest.raises(Exception, match="not started"):
        await FasterWhisper(AsrSettings()).open(StreamOptions(16000))
