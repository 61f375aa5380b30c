"""Settings of the turn service, read from PARLEY_TURN_* once at start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.onnx_sessions import Device
from services.common.settings import ServiceSettings

_REPOSITORY = Path(__file__).resolve().parents[2]


class TurnSettings(ServiceSettings):
    """What the turn service reads from its environment."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_prefix="PARLEY_TURN_", protected_namespaces=("settings_",)
    )

    port: int = Field(50052, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    engine: str = Field("silero-smart-turn", description="Engine, one of services.turn.engines.ENGINES.")
    model_dir: Path = Field(
        Path(".models/turn"),
        description="Folder of the ONNX files; a relative one is also looked for in the repository.",
    )
    silero_device: Device = Field("cpu", description="Where Silero runs: `cpu`, `cuda` (or not at all), or `auto`.")
    smart_turn_device: Device = Field("cpu", description="Where Smart Turn runs: `cpu`, `cuda`, or `auto`.")
    cuda_device: int = Field(0, ge=0, description="Number of the GPU, where a model runs on one.")
    gpu_memory_mb: int = Field(512, ge=0, description="What each of the two models may take of it; 0: no limit.")
    config_timeout_ms: int = Field(10_000, gt=0, description="How long a new stream may take to send its config.")
    engine_timeout_ms: int = Field(2000, gt=0, description="A model call that takes longer fails its stream.")
    judge_queue: int = Field(8, gt=0, description="Turns waiting for the audio model; past that, text alone decides.")
    judge_deadline_ms: int = Field(400, gt=0, description="After this wait a turn is decided without the audio model.")
    stall_grace_ms: int = Field(500, gt=0, description="Audio this late within a turn counts as silence from then on.")
    audio_burst_ms: int = Field(10_000, gt=0, description="Audio that may run ahead of real time.")
    event_queue: int = Field(256, gt=0, description="Events a client may leave unread before its stream is cut.")

    fake_end_of_turn_ms: int = Field(40, ge=0, description="fake: silence, in audio time, that ends a turn.")
    fake_delay_ms: int = Field(0, ge=0, description="fake: how long each chunk takes.")
    fake_failure: Literal["none", "die", "hang", "rubbish"] = Field("none", description="fake: how it fails.")
    fake_failure_after_ms: int = Field(0, ge=0, description="fake: audio of a stream after which it fails.")

    def resolved_model_dir(self) -> Path:
        """Return the folder of the models: as given, or within the repository where only that one exists."""
        in_repository = _REPOSITORY / self.model_dir
        return in_repository if not self.model_dir.is_dir() and in_repository.is_dir() else self.model_dir
