"""Settings of the recognition service, read from PARLEY_ASR_* once at start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings

WhisperDevice = Literal["auto", "cuda", "cpu"]
FakeFailure = Literal["none", "raise", "hang", "die"]


class AsrSettings(ServiceSettings):
    """What the recognition service reads from its environment."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_ASR_", frozen=True, extra="ignore")

    port: int = Field(50051, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    engine: str = Field("pocketsphinx", description="Engine, one of services.asr.engines.ENGINES.")
    partial_interval_ms: int = Field(100, gt=0, description="Least audio between partials, where the client sets none.")
    engine_timeout_ms: int = Field(5_000, gt=0, description="An engine call that takes longer fails its stream.")
    config_timeout_ms: int = Field(10_000, gt=0, description="How long a new stream may take to send its config.")
    audio_burst_ms: int = Field(
        65_000, gt=0, description="Audio that may run ahead of real time: a replayed utterance."
    )
    max_utterance_ms: int = Field(120_000, gt=0, description="Longest utterance; what is said after it is ignored.")
    max_grammar_chars: int = Field(200_000, gt=0, description="Longest grammar accepted.")
    max_key_terms: int = Field(500, ge=0, description="Most key terms accepted.")

    pocketsphinx_workers: int = Field(2, gt=0, le=64, description="pocketsphinx: decoding processes.")
    pocketsphinx_streams_per_worker: int = Field(25, gt=0, description="pocketsphinx: streams a process takes at once.")
    pocketsphinx_start_timeout_ms: int = Field(30_000, gt=0, description="pocketsphinx: how long loading may take.")
    pocketsphinx_warm_grammars: tuple[str, ...] = Field(
        ("agents/grammars/*.jsgf",), description="pocketsphinx: grammar files (globs) compiled before serving."
    )

    models_dir: Path = Field(Path(".models"), description="Folder of the models that `parley models pull` fetches.")
    faster_whisper_model: str = Field(
        "faster-whisper-large-v3-turbo",
        description="faster-whisper: a model's name below models_dir, or the path of its folder.",
    )
    faster_whisper_device: WhisperDevice = Field(
        "auto", description="faster-whisper: cuda refuses to start without a GPU; auto takes one if there is one."
    )
    faster_whisper_device_index: int = Field(0, ge=0, description="faster-whisper: which GPU.")
    faster_whisper_compute_type: str = Field(
        "auto", description="faster-whisper: a type of ctranslate2; auto: float16 on a GPU, int8 on a CPU."
    )
    faster_whisper_workers: int = Field(
        0, ge=0, le=16, description="faster-whisper: batches at once; 0: two on a GPU, one on a CPU."
    )
    faster_whisper_cpu_threads: int = Field(0, ge=0, description="faster-whisper: threads a worker; 0: up to 4.")
    faster_whisper_beam_size: int = Field(1, gt=0, le=10, description="faster-whisper: beams; 1 is greedy: fastest.")
    faster_whisper_batch_size: int = Field(
        0, ge=0, le=128, description="faster-whisper: decodes in one batch; 0: eight on a GPU, one on a CPU."
    )
    faster_whisper_max_queue: int = Field(64, gt=0, description="faster-whisper: decodes that may wait.")
    faster_whisper_max_streams: int = Field(64, gt=0, description="faster-whisper: streams at once.")
    faster_whisper_decode_timeout_ms: int = Field(
        30_000, gt=0, description="faster-whisper: a batch that takes longer ends the process."
    )
    faster_whisper_partial_ms: int = Field(
        240, gt=0, description="faster-whisper: new speech before a stream is decoded again."
    )
    faster_whisper_partial_wait_ms: int = Field(
        20, ge=0, le=500, description="faster-whisper: how long a partial waits for a decode that is on its way."
    )
    faster_whisper_closing_ms: int = Field(
        60, ge=0, description="faster-whisper: silence after which the tail is decoded before a final is asked for."
    )
    faster_whisper_window_ms: int = Field(
        28_000, ge=5_000, le=30_000, description="faster-whisper: most audio in one decode."
    )
    faster_whisper_context_ms: int = Field(
        0,
        ge=0,
        le=30_000,
        description="faster-whisper: silence is added up to this; 0: 30 s, as trained. Less is faster on a CPU.",
    )
    faster_whisper_languages: tuple[str, ...] = Field(
        (), description="faster-whisper: Whisper's codes of the languages that may be detected; none: all it knows."
    )
    faster_whisper_punctuation: bool = Field(True, description="faster-whisper: whether punctuation is kept.")
    faster_whisper_no_speech: float = Field(
        0.6, ge=0, le=1, description="faster-whisper: no-speech probability that rejects an improbable text."
    )
    faster_whisper_log_probability: float = Field(
        -1.0, le=0, description="faster-whisper: mean log probability below which a text is improbable."
    )

    fake_texts: tuple[str, ...] = Field(("hello world",), description="fake: what each utterance says, in turn.")
    fake_languages: tuple[str, ...] = Field(
        (), description="fake: the language it says each utterance was in, in turn; none: the stream's."
    )
    fake_finals: tuple[str, ...] = Field(
        (), description="fake: what the final of each utterance says instead, in turn; empty: the same as its text."
    )
    fake_partials: bool = Field(True, description="fake: whether partials are sent.")
    fake_word_ms: int = Field(200, gt=0, description="fake: audio a word takes; partials grow by it.")
    fake_partial_lag_ms: int = Field(0, ge=0, description="fake: audio that partials are behind.")
    fake_partial_confidence: float = Field(0, ge=0, le=1, description="fake: confidence of partials; 0 is not known.")
    fake_partial_delay_ms: float = Field(0, ge=0, description="fake: how long a partial takes.")
    fake_final_delay_ms: float = Field(0, ge=0, description="fake: how long a final takes.")
    fake_failure: FakeFailure = Field("none", description="fake: how it fails.")
    fake_fail_on: int = Field(1, gt=0, description="fake: which finalize of the process fails, counted from 1.")
