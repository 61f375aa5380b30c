"""Settings of the recognition service, read from PARLEY_ASR_* once at start."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings

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

    fake_texts: tuple[str, ...] = Field(("hello world",), description="fake: what each utterance says, in turn.")
    fake_partials: bool = Field(True, description="fake: whether partials are sent.")
    fake_word_ms: int = Field(200, gt=0, description="fake: audio a word takes; partials grow by it.")
    fake_partial_delay_ms: float = Field(0, ge=0, description="fake: how long a partial takes.")
    fake_final_delay_ms: float = Field(0, ge=0, description="fake: how long a final takes.")
    fake_failure: FakeFailure = Field("none", description="fake: how it fails.")
    fake_fail_on: int = Field(1, gt=0, description="fake: which finalize of the process fails, counted from 1.")
