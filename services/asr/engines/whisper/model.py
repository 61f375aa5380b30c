"""The model itself, through faster-whisper's parts: features, tokeniser, ctranslate2's encoder, decoder and alignment.

`WhisperModel.transcribe` is not used. It decodes one file at a time, with timestamps to find its own windows and up to
six temperatures where a text looks odd; here the windows are known, the prompts differ by stream, a batch holds many
callers, and the worst case must be bounded. So a batch is: encode once, one greedy (or beam) search without timestamps,
one alignment pass for the words' times. Only this module knows the library.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations

from services.asr.engines.whisper.hearing import RATE_HZ, Answer, Question
from services.asr.engines.whisper.language import DETECT
from services.asr.engines.whisper.transcript import Heard
from services.common.audio import Float32, float_to_pcm, pcm_to_float
from services.common.errors import InvalidInput

log = logging.getLogger(__name__)

NEEDS = ("model.bin", "config.json", "tokenizer.json")
"""Files without which the engine cannot start; the vocabulary is vocabulary.json or vocabulary.txt."""
_APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - what a Chinese text is punctuated with
_PREPENDED = "\"'“¿([{-"
GPU_WORKERS = 2
"""One for finals alone, one for the rest: a final need not wait for a batch of partials to end."""
GPU_BATCH = 8
"""A CPU gains nothing from batches (README, what was measured), and a final waits for the batch before it."""
_MIN_FRAMES = 20
"""Alignment needs some: 0.2 s."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How to load and run the model."""

    folder: Path
    device: str
    """auto, cuda or cpu."""
    device_index: int
    compute_type: str
    """One of ctranslate2's; auto: float16 on a GPU, int8 on a CPU."""
    workers: int
    """Batches at once; 0: `GPU_WORKERS` on a GPU, one on a CPU."""
    batch_size: int
    """Decodes in a batch; 0: `GPU_BATCH` on a GPU, one on a CPU."""
    cpu_threads: int
    beam_size: int
    context_ms: int
    """Silence is added up to this length; 0: as the model was trained."""
    languages: tuple[str, ...]


def resolve_device(asked: str) -> str:
    """Return cuda or cpu. Raises InvalidInput where cuda is asked for and there is none: never a silent CPU."""
    count = ctranslate2.get_cuda_device_count() if asked in ("auto", "cuda") else 0
    if asked == "cuda" and not count:
        raise InvalidInput(
            "PARLEY_ASR_FASTER_WHISPER_DEVICE='cuda', but no CUDA device is visible: check the driver and that the "
            "container was given a GPU, or set it to 'cpu'"
        )
    return "cuda" if count else "cpu"


class Whisper:
    """A loaded model. `decode` may be called from several threads at once."""

    def __init__(self, options: ModelOptions) -> None:
        self.device = resolve_device(options.device)
        compute_type = options.compute_type
        if compute_type == "auto":
            compute_type = "float16" if self.device == "cuda" else "int8"
        self._options = options
        self.workers = options.workers or (GPU_WORKERS if self.device == "cuda" else 1)
        self.batch_size = options.batch_size or (GPU_BATCH if self.device == "cuda" else 1)
        self._model = WhisperModel(
            str(options.folder),
            device=self.device,
            device_index=options.device_index,
            compute_type=compute_type,
            cpu_threads=options.cpu_threads,
            num_workers=self.workers,
            local_files_only=True,
        )
        self.compute_type: str = self._model.model.compute_type
        if self._model.model.device != self.device:
            raise InvalidInput(f"the model was loaded on {self._model.model.device}, not on {self.device} as asked")
        self._tokenizers: dict[str, Any] = {}
        self.languages = self._known_languages(options.languages)
        first = self.languages[0]
        self._suppressed = get_suppressed_tokens(self._tokenizer(first), [-1])
        self.start_of_previous: int = self._tokenizer(first).sot_prev
        features = self._model.feature_extractor
        self.window_ms: int = features.nb_max_frames * 1000 * features.hop_length // RATE_HZ
        self._context_frames = features.nb_max_frames
        if options.context_ms:
            self._context_frames = min(
                features.nb_max_frames, options.context_ms * RATE_HZ // 1000 // features.hop_length
            )

    def _known_languages(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        has = self._model.hf_tokenizer.token_to_id
        known = [code for code in self._model.supported_languages if len(self._model.supported_languages) == 1
                 or has(f"<|{code}|>") is not None]  # fmt: skip
        unknown = [code for code in wanted if code not in known]
        if unknown:
            raise InvalidInput(
                f"PARLEY_ASR_FASTER_WHISPER_LANGUAGES names {', '.join(unknown)}, which this model lacks"
            )
        return wanted or tuple(known)

    def _tokenizer(self, language: str) -> Any:
        if language not in self._tokenizers:
            multilingual = self._model.model.is_multilingual
            self._tokenizers[language] = Tokenizer(
                self._model.hf_tokenizer, multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]

    def encode_text(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        tokens: list[int] = self._tokenizer(self.languages[0]).encode(text)
        return tokens

    def decode(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer a batch; all its questions have `previous` of one length. Raises what ctranslate2 raises."""
        features = [self._features(pcm_to_float(question.pcm)) for question in questions]
        frames = max(self._context_frames, *(one.shape[1] for one in features))
        encoded = self._model.encode(np.stack([_padded(one, frames) for one in features]))
        languages = self._languages(questions, encoded)
        prompts = [self._prompt(question, code) for question, (code, _) in zip(questions, languages, strict=True)]
        longest_prefix = max(len(question.prefix) for question in questions)
        # ctranslate2 generates up to half of max_length, the prefix counted in.
        new_tokens = longest_prefix + max(question.max_new_tokens for question in questions)
        generated = self._model.model.generate(
            encoded,
            prompts,
            beam_size=self._options.beam_size,
            max_length=min(self._model.max_length, 2 * new_tokens),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
        )
        texts = [
            self._text(one.sequences_ids[0], question, code)
            for question, one, (code, _) in zip(questions, generated, languages, strict=True)
        ]
        lengths = [max(_MIN_FRAMES, one.shape[1]) for one in features]
        words = self._words(encoded, texts, [code for code, _ in languages], lengths)
        return [
            Answer(
                words=_after_prefix(heard, len(question.prefix)),
                log_probability=_log_probability(one, len(question.prefix)),
                no_speech=one.no_speech_prob,
                language=code,
                language_probability=share,
            )
            for question, one, heard, (code, share) in zip(questions, generated, words, languages, strict=True)
        ]

    def _text(self, tokens: Sequence[int], question: Question, language: str) -> list[int]:
        """Return the text's tokens, no more than were asked for: the batch ran as long as its longest needed."""
        asked = tokens[: len(question.prefix) + question.max_new_tokens]
        return [token for token in asked if token < self._tokenizer(language).eot]

    def _features(self, samples: Float32) -> Float32:
        extractor = self._model.feature_extractor
        features: Float32 = extractor(samples)[:, :-1]  # the last is of the extractor's own padding
        return features[:, : extractor.nb_max_frames]

    def _languages(self, questions: Sequence[Question], encoded: Any) -> list[tuple[str, float]]:
        if all(question.language != DETECT for question in questions) or not self._model.model.is_multilingual:
            return [(question.language or self.languages[0], 1.0) for question in questions]
        if len(self.languages) == 1:
            return [(question.language or self.languages[0], 1.0) for question in questions]
        found = self._model.model.detect_language(encoded)
        return [
            (question.language, 1.0)
            if question.language != DETECT
            else question.detection.choose({name[2:-2]: share for name, share in shares}, self.languages)
            for question, shares in zip(questions, found, strict=True)
        ]

    def _prompt(self, question: Question, language: str) -> list[int]:
        tokenizer = self._tokenizer(language)
        return [*question.previous, *tokenizer.sot_sequence, tokenizer.no_timestamps, *question.prefix]

    def _words(
        self, encoded: Any, texts: list[list[int]], languages: list[str], lengths: list[int]
    ) -> list[list[tuple[int, Heard]]]:
        """Return each text's words with the place of their first token; one alignment pass a language."""
        words: list[list[tuple[int, Heard]]] = [[] for _ in texts]
        spoken = [code for code, text in zip(languages, texts, strict=True) if text]
        for language in dict.fromkeys(spoken):
            alignments = self._model.find_alignment(self._tokenizer(language), texts, encoded, lengths)
            for place, alignment in enumerate(alignments):
                if languages[place] == language:
                    words[place] = _heard(alignment)
        return words


def load_whisper(options: ModelOptions) -> Whisper:
    """Load and decode, alone and as a whole batch: libraries that are missing show here, and kernels are chosen.

    Raises InvalidInput where the model does not run.
    """
    try:
        whisper = Whisper(options)
        noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32) * np.float32(0.01)
        question = Question(float_to_pcm(noise), whisper.languages[0], (), (), max_new_tokens=4)
        for count in dict.fromkeys((1, whisper.batch_size)):
            whisper.decode([question] * count)
    except (RuntimeError, ValueError) as error:
        raise InvalidInput(f"the model in {options.folder} does not run: {error}") from error
    return whisper


def _padded(features: Float32, frames: int) -> Float32:
    """Return features [mels, frames], silence added: its value is the floor that the extractor clips at."""
    missing = frames - features.shape[1]
    return np.pad(features, ((0, 0), (0, missing)), constant_values=float(features.min())) if missing > 0 else features


def _heard(alignment: list[dict[str, Any]]) -> list[tuple[int, Heard]]:
    merge_punctuations(alignment, _PREPENDED, _APPENDED)
    words = []
    place = 0
    for part in alignment:
        tokens = tuple(part["tokens"])
        if tokens:
            start_ms, end_ms = round(float(part["start"]) * 1000), round(float(part["end"]) * 1000)
            heard = Heard(part["word"], tokens, start_ms, max(start_ms, end_ms), float(part["probability"]))
            words.append((place, heard))
        place += len(tokens)
    return words


def _after_prefix(words: list[tuple[int, Heard]], count: int) -> tuple[Heard, ...]:
    """Return the words after the prefix; one that would grow its last word, or put a comma to it, is dropped."""
    return tuple(word for place, word in words if place >= count)


def _log_probability(generated: Any, prefix: int) -> float:
    """Return the mean log probability of the new tokens and the end; ctranslate2 counts a prefix as certain."""
    length = len(generated.sequences_ids[0])
    return float(generated.scores[0]) * length / (max(0, length - prefix) + 1) if length else float(generated.scores[0])
