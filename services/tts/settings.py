"""Settings of the speech synthesis service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings

FakeFailure = Literal["none", "raise", "crash", "die", "hang", "odd_bytes", "bad_words", "no_last"]


class TtsSettings(ServiceSettings):
    """Read from PARLEY_TTS_*."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_TTS_", frozen=True, extra="ignore")

    port: int = Field(50054, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    engine: str = Field("espeak", description="Engine, as in services/tts/engines/__init__.py.")
    voice: str = Field("en-us", description="Voice where a client names neither voice nor language.")
    max_phrase_chars: int = Field(2000, gt=0, description="Longest phrase accepted.")
    max_pending_phrases: int = Field(256, gt=0, description="Phrases one stream may have waiting.")
    max_frame_ms: int = Field(400, ge=20, description="Longest audio frame sent, after the first two of an epoch.")
    config_timeout_ms: int = Field(10_000, gt=0, description="How long a new stream may take to send its config.")
    idle_timeout_ms: int = Field(900_000, gt=0, description="How long a stream may neither send nor be sent anything.")
    render_timeout_ms: int = Field(5_000, gt=0, description="How long the engine may take for one piece of audio.")
    write_timeout_ms: int = Field(30_000, gt=0, description="How long a client may take no audio at all.")

    fake_word_ms: int = Field(200, gt=0, description="Fake engine: audio a word.")
    fake_first_audio_ms: float = Field(0, ge=0, description="Fake engine: delay before a phrase's first audio.")
    fake_real_time_factor: float = Field(0, ge=0, description="Fake engine: rendering time as a share of the audio's.")
    fake_chunk_ms: int = Field(10_000, gt=0, description="Fake engine: audio rendered at a time.")
    fake_failure: FakeFailure = Field("none", description="Fake engine: how it fails.")
    fake_failure_after: int = Field(0, ge=0, description="Fake engine: phrases that succeed before it fails.")
