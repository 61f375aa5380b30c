"""Settings of the language model service, read once from PARLEY_LLM_*."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings

FakeFailure = Literal["none", "raise", "hang", "die", "bad_tool_call"]


class LlmSettings(ServiceSettings):
    """What the language model service reads from its environment."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_LLM_", frozen=True, extra="ignore")

    port: int = Field(50053, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    engine: str = Field("rules", description="rules, openai or fake.")
    config_timeout_ms: int = Field(10_000, gt=0, description="How long a stream may stay silent before its config.")
    first_output_timeout_ms: int = Field(5_000, gt=0, description="Longest wait for the engine's first output.")
    total_timeout_ms: int = Field(60_000, gt=0, description="Longest generation, from config to finished.")
    max_pending_chars: int = Field(4_096, gt=0, description="Text held for a slow client before the engine waits.")
    max_messages: int = Field(1_000, gt=0, description="Most messages in a conversation.")
    max_tools: int = Field(64, ge=0, description="Most tools offered in one request.")

    rules_dir: Path = Field(Path("agents/rules"), description="rules: folder of the scripts, all loaded at start.")
    rules_word_delay_ms: float = Field(0, ge=0, description="rules: pause between words; 0 streams without pauses.")

    openai_base_url: str = Field("http://127.0.0.1:8000/v1", description="openai: address up to and with /v1.")
    openai_api_key: SecretStr = Field(SecretStr(""), description="openai: bearer key; empty sends none.")
    openai_model: str = Field("", description="openai: model of requests that name none.")
    openai_start_timeout_ms: int = Field(120_000, ge=0, description="openai: how long start waits for the server.")
    openai_connect_timeout_ms: int = Field(2_000, gt=0, description="openai: longest TCP and TLS connect.")
    openai_stall_timeout_ms: int = Field(10_000, gt=0, description="openai: longest silence of an open response.")
    openai_max_connections: int = Field(200, gt=0, description="openai: connections at once; one more is Overloaded.")
    openai_prefill: bool = Field(False, description="openai: warm the cache by one-token requests (they are billed).")

    fake_reply: str = Field("This is the fake engine.", description="fake: what it says; {user} is what it was told.")
    fake_words_per_delta: int = Field(0, ge=0, description="fake: words a delta; 0 sends the reply as one delta.")
    fake_first_delay_ms: float = Field(0, ge=0, description="fake: pause before the first delta.")
    fake_delta_delay_ms: float = Field(0, ge=0, description="fake: pause between deltas.")
    fake_tool_when: str = Field("", description="fake: call fake_tool_name when the user's text contains this.")
    fake_tool_name: str = Field("", description="fake: tool to call.")
    fake_tool_arguments: str = Field("{}", description="fake: its arguments, as JSON.")
    fake_failure: FakeFailure = Field("none", description="fake: what goes wrong, and only where fake_fail_when says.")
    fake_fail_when: str = Field("", description="fake: fail when the user's text contains this; empty: always.")
