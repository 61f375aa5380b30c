"""Settings of the speech synthesis service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.onnx_sessions import Device
from services.common.settings import ServiceSettings

FakeFailure = Literal["none", "raise", "crash", "die", "hang", "odd_bytes", "bad_words", "no_last"]


class TtsSettings(ServiceSettings):
    """Read from PARLEY_TTS_*."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_TTS_", frozen=True, extra="ignore")

    port: int = Field(50054, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    engine: str = Field("espeak", description="Engine, as in services/tts/engines/__init__.py.")
    voice: str = Field("en-us", description="Voice where a client names neither voice nor language.")
    voice_aliases: dict[str, str] = Field(
        {}, description='Voices that clients name, and what is meant by each, as JSON; "*": any other; "": the default.'
    )
    max_phrase_chars: int = Field(2000, gt=0, description="Longest phrase accepted.")
    max_pending_phrases: int = Field(256, gt=0, description="Phrases one stream may have waiting.")
    max_frame_ms: int = Field(400, ge=20, description="Longest audio frame sent, after the first two of an epoch.")
    config_timeout_ms: int = Field(10_000, gt=0, description="How long a new stream may take to send its config.")
    idle_timeout_ms: int = Field(900_000, gt=0, description="How long a stream may neither send nor be sent anything.")
    render_timeout_ms: int = Field(5_000, gt=0, description="How long the engine may take for one piece of audio.")
    write_timeout_ms: int = Field(30_000, gt=0, description="How long a client may take no audio at all.")

    models_dir: Path = Field(Path(".models"), description="Folder of the models, one folder each.")
    piper_voices: tuple[str, ...] = Field(
        ("en_US-ljspeech-high",),
        min_length=1,
        description="Piper: voices to load, folders in models_dir, as JSON. The first is the default.",
    )
    piper_device: Device = Field("auto", description="Piper: `cpu`, `cuda` (or not at all), or `auto`.")
    piper_cuda_device: int = Field(0, ge=0, description="Piper: number of the GPU.")
    piper_gpu_memory_mb: int = Field(2048, ge=0, description="Piper: what all voices may take of the GPU; 0: no limit.")
    piper_workers: int = Field(2, gt=0, le=32, description="Piper: pieces of audio made at once.")
    piper_threads: int = Field(1, ge=0, description="Piper: CPU threads for each of them; 0: as many as cores.")
    piper_streaming: bool = Field(True, description="Piper: decode a sentence piece by piece, where the voice can.")
    piper_first_piece_ms: int = Field(200, ge=20, description="Piper: audio in a sentence's first piece.")
    piper_longest_piece_ms: int = Field(
        1600, ge=20, description="Piper: audio in its longest, each being twice the last."
    )
    piper_sentence_pause_ms: int = Field(200, ge=0, description="Piper: silence after a sentence, at speed 1.")
    piper_clause_pause_ms: int = Field(100, ge=0, description="Piper: silence after a phrase that ends in a comma.")
    piper_noise_scale: float | None = Field(
        None, ge=0, le=2, description="Piper: variety of sound; unset: the voice's."
    )
    piper_noise_w_scale: float | None = Field(
        None, ge=0, le=2, description="Piper: variety of rhythm; unset: the voice's."
    )
    piper_peak: float = Field(
        0.7,
        ge=0,
        le=1,
        description="Piper: loudest sample of the warm-up, as a share of full scale; 0: as the voice is.",
    )

    fake_word_ms: int = Field(200, gt=0, description="Fake engine: audio a word.")
    fake_queue_delay_ms: float = Field(0, ge=0, description="Fake engine: how long a phrase waits before it is begun.")
    fake_first_audio_ms: float = Field(0, ge=0, description="Fake engine: delay before a phrase's first audio.")
    fake_real_time_factor: float = Field(0, ge=0, description="Fake engine: rendering time as a share of the audio's.")
    fake_chunk_ms: int = Field(10_000, gt=0, description="Fake engine: audio rendered at a time.")
    fake_failure: FakeFailure = Field("none", description="Fake engine: how it fails.")
    fake_failure_after: int = Field(0, ge=0, description="Fake engine: phrases that succeed before it fails.")
