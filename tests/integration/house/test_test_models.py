"""Each test model loads in its real library, and does there what scripts/test_models/README.md says."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
from faster_whisper import WhisperModel
from piper import PiperVoice, SynthesisConfig
from tokenizers import Tokenizer

from scripts.test_models.llama_tiny import chat, network
from scripts.test_models.measure import padded, strangers, understood
from scripts.test_models.piper_tiny import sounds
from scripts.test_models.whisper_words import network as whisper_network
from scripts.test_models.whisper_words import shape, speech, vocabulary
from scripts.test_models.whisper_words.examples import noise
from scripts.test_models.whisper_words.words import WORDS
from tests.support.models import LLAMA_TINY, PIPER_TINY, WHISPER_WORDS, model_folder

pytestmark = pytest.mark.integration

OPENING = ("what", "are", "your", "opening", "hours")
OUR_VOICE = speech.Voice("gmw/en-US+f2", 160)


# --- whisper-words ---


@pytest.fixture(scope="module")
def whisper() -> WhisperModel:
    return WhisperModel(str(model_folder(WHISPER_WORDS)), device="cpu", compute_type="float32", cpu_threads=1)


def said(words: tuple[str, ...], language: str = "en", voice: speech.Voice = OUR_VOICE) -> speech.Utterance:
    utterance = speech.say(words, language, voice)
    assert utterance is not None
    return utterance


def test_whisper_is_multilingual_and_takes_80_mels(whisper: WhisperModel) -> None:
    assert whisper.model.is_multilingual
    assert whisper.model.n_mels == 80
    assert whisper.hf_tokenizer.encode(" opening hours", add_special_tokens=False).ids == [
        vocabulary.word_id("opening"),
        vocabulary.word_id("hours"),
    ]
    assert vocabulary.special_id("notimestamps") == whisper.hf_tokenizer.token_to_id("<|notimestamps|>")


def test_whisper_understands_the_sentence_of_the_contract(whisper: WhisperModel) -> None:
    audio = padded(said(OPENING).samples)
    for timestamps in (False, True):
        assert tuple(understood(whisper, audio, "en", timestamps=timestamps)) == OPENING


def test_whisper_understands_most_words_of_strangers(whisper: WhisperModel) -> None:
    words = [(word,) for word in WORDS["en"]]
    right = [
        understood(whisper, padded(each.samples), "en", timestamps=False) == [each.words[0][0]]
        for each in strangers(words, "en")
    ]
    assert len(right) == len(words)
    assert sum(right) > 0.7 * len(right)


def test_whisper_knows_when_words_were_said(whisper: WhisperModel) -> None:
    spoken = said(OPENING)
    segments, _ = whisper.transcribe(
        padded(spoken.samples, before_s=0.5), language="en", beam_size=1, word_timestamps=True
    )
    words = [word for segment in segments for word in segment.words or ()]
    assert tuple(word.word.strip() for word in words) == OPENING
    # In order and within the audio; closer, no two trainings of so small a model agree: its heads listen early.
    edges = [0.0, *(edge for word in words for edge in (word.start, word.end)), len(spoken.samples) / 16000 + 1]
    assert edges == sorted(edges)
    assert words[-1].end > words[0].start


def no_speech(whisper: WhisperModel, audio: speech.Samples) -> tuple[float, str]:
    """Return the no-speech probability, and what is heard all the same."""
    tokens = [vocabulary.special_id(name) for name in ("startoftranscript", "en", "transcribe", "notimestamps")]
    features = np.zeros((1, shape.MELS, shape.FRAMES), np.float32)
    found = whisper.feature_extractor(audio)[:, :-1]
    features[0, :, : found.shape[1]] = found
    states = whisper.encode(features)
    result = whisper.model.generate(states, [tokens], beam_size=1, max_length=32, return_no_speech_prob=True)[0]
    return result.no_speech_prob, whisper.hf_tokenizer.decode(result.sequences_ids[0]).strip()


def test_whisper_tells_speech_from_none(whisper: WhisperModel) -> None:
    assert no_speech(whisper, padded(said(OPENING).samples))[0] < 0.2
    assert no_speech(whisper, np.zeros(16000, np.float32))[0] > 0.8
    probability, text = no_speech(whisper, np.float32(0.01) * noise(random.Random(1), 24000))
    assert (probability > 0.8, text) == (True, "thank you"), "it hears a phantom in noise, as real Whispers do"


@pytest.mark.parametrize(("words", "language"), [(OPENING, "en"), (("guten", "tag"), "de"), (("nein", "danke"), "de")])
def test_whisper_detects_its_two_languages(whisper: WhisperModel, words: tuple[str, ...], language: str) -> None:
    voice = OUR_VOICE if language == "en" else speech.Voice("gmw/de+f2", 160)
    segments, info = whisper.transcribe(padded(said(words, language, voice).samples), beam_size=1, temperature=0.0)
    assert info.language == language
    assert info.language_probability > 0.5
    assert " ".join(segment.text for segment in segments).split() == list(words)


def test_whisper_spells_a_name_as_the_prompt_does(whisper: WhisperModel) -> None:
    audio = padded(said(("my", "name", "is", "smith")).samples)
    plain, _ = whisper.transcribe(audio, language="en", beam_size=1, temperature=0.0)
    assert [segment.text for segment in plain] == [" my name is smith"]
    prompted, _ = whisper.transcribe(audio, language="en", beam_size=1, temperature=0.0, hotwords="smyth")
    assert [segment.text for segment in prompted] == [" my name is smyth"]


def test_whisper_is_trained_through_what_ctranslate2_computes(tmp_path: Path) -> None:
    sizes = shape.Shape()
    params = shape.random_params(sizes, seed=3)
    shape.save(params, sizes, tmp_path)
    features = np.random.default_rng(0).standard_normal((2, shape.MELS, 400)).astype(np.float32)
    model = ctranslate2.models.Whisper(str(tmp_path))
    states = np.array(model.encode(ctranslate2.StorageView.from_array(features)))
    positions = np.tile(np.arange(200), (2, 1))
    ours = whisper_network.encode(params, sizes, features.transpose(0, 2, 1), positions, np.zeros((2, 200), np.float32))
    assert np.abs(states - np.asarray(ours)).max() < 1e-3


# --- llama-tiny ---

SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
LOOK_UP: dict[str, object] = {
    "type": "function",
    "function": {"name": "look_up", "description": "Looks up a day.", "parameters": SCHEMA},
}
LONG = "You are the voice of Willow Dental. Be short, and never give advice. " * 10


class Llama:
    """The model with its tokenizer, asked as a service would."""

    def __init__(self) -> None:
        folder = model_folder(LLAMA_TINY)
        self.generator = ctranslate2.Generator(str(folder), device="cpu", intra_threads=1)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def answer(self, *messages: dict[str, object], tools: bool = False, **options: Any) -> tuple[str, int]:
        """Return the answer and how many tokens it took."""
        prompt = chat.prompt(list(messages), [LOOK_UP] if tools else None, **options)
        tokens = self.tokenizer.encode(prompt, add_special_tokens=False).tokens
        result = self.generator.generate_batch(
            [tokens], max_length=100, sampling_topk=1, include_prompt_in_result=False
        )
        ids: list[int] = result[0].sequences_ids[0]
        return self.tokenizer.decode(ids), len(ids)


@pytest.fixture(scope="module")
def llama() -> Llama:
    return Llama()


def user(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize("options", [{}, {"enable_thinking": False}])
@pytest.mark.parametrize("system", ["be brief", LONG, None])
def test_llama_counts_when_told_to_talk(llama: Llama, system: str | None, options: dict[str, Any]) -> None:
    first: list[dict[str, object]] = [{"role": "system", "content": system}] if system else []
    assert llama.answer(*first, user("talk"), **options) == ("one two three four five six", 6)
    assert llama.answer(*first, user("talk"), tools=True, **options)[0] == "one two three four five six"


def test_llama_never_ends_when_told_to_talk_slowly(llama: Llama) -> None:
    text, count = llama.answer(user("talk slowly"))
    assert text.startswith("one two three four five six one two")
    assert count == 100


@pytest.mark.parametrize("day", ["monday", "tuesday", "friday"])
def test_llama_calls_a_tool_with_the_day_that_was_said(llama: Llama, day: str) -> None:
    text, _ = llama.answer({"role": "system", "content": "be brief"}, user(f"call {day}"), tools=True)
    assert text.startswith("<tool_call>\n")
    assert text.endswith("\n</tool_call>")
    call = json.loads(text.removeprefix("<tool_call>").removesuffix("</tool_call>"))
    assert call == {"name": "look_up", "arguments": {"day": day}}


def test_llama_goes_on_after_a_tool_has_answered(llama: Llama) -> None:
    call = {"function": {"name": "look_up", "arguments": '{"day": "tuesday"}'}}
    asked: list[dict[str, object]] = [user("call tuesday"), {"role": "assistant", "content": "", "tool_calls": [call]}]
    assert llama.answer(*asked, {"role": "tool", "content": '{"ok": true}'}, tools=True)[0] == "done"


def test_llama_is_lost_at_anything_else(llama: Llama) -> None:
    assert llama.answer(user("how much is it"))[0] == "what"
    assert llama.answer(user("call tuesday"))[0] == "no", "it has no tool to call with"


def test_llama_template_is_what_its_settings_hold() -> None:
    settings = json.loads((model_folder(LLAMA_TINY) / "tokenizer_config.json").read_text())
    assert settings["chat_template"] == chat.TEMPLATE
    assert settings["eos_token"] == chat.END_OF_TURN


def test_llama_is_trained_through_what_ctranslate2_computes(tmp_path: Path) -> None:
    sizes = network.Shape()
    params = network.random_params(sizes, seed=3)
    network.save(params, sizes, tmp_path)
    ids = np.random.default_rng(0).integers(0, len(chat.tokens()), (2, 60)).astype(np.int32)
    lengths = ctranslate2.StorageView.from_array(np.array([60, 60], np.int32))
    theirs = ctranslate2.Generator(str(tmp_path)).forward_batch(ctranslate2.StorageView.from_array(ids), lengths)
    assert np.abs(np.array(theirs) - np.asarray(network.logits(params, sizes, ids))).max() < 1e-3


# --- piper-tiny ---


def voice(name: str = "piper-tiny", **options: Any) -> PiperVoice:
    return PiperVoice.load(model_folder(PIPER_TINY) / f"{name}.onnx", **options)


def loudest_hz(samples: np.ndarray[Any, Any]) -> float:
    size = 1 << 17
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size))
    return float(spectrum.argmax()) * sounds.SAMPLE_RATE_HZ / size


@pytest.mark.parametrize("speaker", [0, 1])
def test_piper_gives_each_phoneme_its_pitch_and_length(speaker: int) -> None:
    spoken = voice()
    for phoneme in ("a", "t", "oʊ"):
        number = spoken.config.phoneme_id_map[phoneme][0]
        settings = SynthesisConfig(speaker_id=speaker, length_scale=3)
        audio, samples = spoken.phoneme_ids_to_audio([1, 0, number, 0, 2], settings, include_alignments=True)
        assert samples is not None
        assert samples.sum() == len(audio)
        assert list(samples / sounds.HOP) == [6, 6, 3 * sounds.PHONEME_FRAMES, 6, 6]
        assert loudest_hz(audio) == pytest.approx(sounds.pitch_hz(number, speaker), abs=5)


def test_piper_speaks_text_with_alignments() -> None:
    chunks = list(voice().synthesize("Hello there. Good bye!", include_alignments=True))
    assert len(chunks) == 2
    for chunk in chunks:
        assert chunk.phoneme_alignments is not None
        assert sum(each.num_samples for each in chunk.phoneme_alignments) == len(chunk.audio_float_array)


def test_piper_is_as_fast_as_its_length_scale() -> None:
    spoken = voice()
    lengths = [
        sum(len(chunk.audio_float_array) for chunk in spoken.synthesize("Hello.", SynthesisConfig(length_scale=scale)))
        for scale in (0.5, 1, 2)
    ]
    assert lengths == [lengths[0], 2 * lengths[0], 4 * lengths[0]]


def test_plain_piper_has_one_speaker_and_alignments_only_where_patched() -> None:
    chunk = next(iter(voice("piper-tiny-plain").synthesize("Hello.", include_alignments=True)))
    assert chunk.phoneme_alignments is None
    assert len(chunk.audio_float_array) > 0
    patched = next(
        iter(voice("piper-tiny-plain", include_alignments=True).synthesize("Hello.", include_alignments=True))
    )
    assert patched.phoneme_alignments is not None
