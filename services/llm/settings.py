"""Settings of the language model service, read once from PARLEY_LLM_*."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings

FakeFailure = Literal["none", "raise", "hang", "die", "bad_tool_call"]


class LlmSettings(ServiceSettings):
    """What the language model service reads from its environment."""

    model_config = SettingsConfigDict(env_prefix="PARLEY_LLM_", frozen=True, extra="ignore")

    port: int = Field(50053, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    engine: str = Field("rules", description="rules, openai, vllm, ctranslate2 or fake.")
    model_aliases: dict[str, str] = Field(
        {}, description='Models that clients name, and what is meant by each, as JSON; "*": any other; "": the default.'
    )
    config_timeout_ms: int = Field(10_000, gt=0, description="How long a stream may stay silent before its config.")
    first_output_timeout_ms: int = Field(5_000, gt=0, description="Longest wait for the engine's first output.")
    total_timeout_ms: int = Field(60_000, gt=0, description="Longest generation, from config to finished.")
    max_pending_chars: int = Field(4_096, gt=0, description="Text held for a slow client before the engine waits.")
    max_messages: int = Field(1_000, gt=0, description="Most messages in a conversation.")
    max_tools: int = Field(64, ge=0, description="Most tools offered in one request.")

    models_dir: Path = Field(Path(".models"), description="vllm, ctranslate2: folder of the models, each in its own.")

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

    vllm_model: str = Field("Qwen3-8B", description="vllm: model, by name below models_dir or by path.")
    vllm_quantization: str = Field("", description="vllm: such as fp8, made at start; empty: as the checkpoint is.")
    vllm_dtype: str = Field("auto", description="vllm: type of the weights; auto: as the checkpoint is.")
    vllm_kv_cache_dtype: str = Field("auto", description="vllm: type of the KV cache; fp8 holds twice the tokens.")
    vllm_gpu_memory_utilization: float = Field(0.6, gt=0, le=1, description="vllm: its share of the GPU's memory.")
    vllm_kv_cache_gib: float = Field(0, ge=0, description="vllm: KV cache; 0: what its share of the memory leaves.")
    vllm_max_model_len: int = Field(8_192, gt=0, description="vllm: longest conversation with its reply, in tokens.")
    vllm_max_num_seqs: int = Field(128, gt=0, description="vllm: requests computed at once; others wait.")
    vllm_max_num_batched_tokens: int = Field(2_048, gt=0, description="vllm: tokens computed in one step, at most.")
    vllm_long_prefill_tokens: int = Field(1_024, ge=0, description="vllm: of these, one prompt's share; 0: all.")
    vllm_tensor_parallel: int = Field(1, gt=0, description="vllm: GPUs that share the model.")
    vllm_enforce_eager: bool = Field(False, description="vllm: no CUDA graphs: starts sooner, answers later.")
    vllm_tool_parser: str = Field("hermes", description="vllm: how the model writes tool calls (its parser's name).")
    vllm_max_tokens: int = Field(512, gt=0, description="vllm: longest reply where the request sets none.")
    vllm_temperature: float = Field(0.7, ge=0, le=2, description="vllm: temperature where the request sets none.")
    vllm_top_p: float = Field(0.8, gt=0, le=1, description="vllm: nucleus where the request sets none.")
    vllm_top_k: int = Field(20, ge=0, description="vllm: likeliest tokens considered; 0: all.")
    vllm_canary_idle_ms: int = Field(5_000, gt=0, description="vllm: silence of the engine before it is probed.")
    vllm_canary_timeout_ms: int = Field(5_000, gt=0, description="vllm: longest wait for a probe's one token.")
    vllm_shutdown_timeout_ms: int = Field(5_000, gt=0, description="vllm: how long its process may take to stop.")
    vllm_extra_args: dict[str, Any] = Field({}, description="vllm: other AsyncEngineArgs by name, as JSON.")

    ctranslate2_model: str = Field(
        "Qwen2.5-1.5B-Instruct-ct2-int8", description="ctranslate2: model, by name below models_dir or by path."
    )
    ctranslate2_device: Literal["cpu", "cuda", "auto"] = Field("cpu", description="ctranslate2: where it runs.")
    ctranslate2_compute_type: str = Field("default", description="ctranslate2: such as int8; default: as converted.")
    ctranslate2_parallel: int = Field(1, gt=0, description="ctranslate2: generations at once; others wait.")
    ctranslate2_threads: int = Field(0, ge=0, description="ctranslate2: threads of each; 0: the library decides.")
    ctranslate2_max_queued: int = Field(
        32, ge=0, description="ctranslate2: requests that may wait; one more is refused."
    )
    ctranslate2_context_tokens: int = Field(
        4_096, gt=0, description="ctranslate2: longest conversation with its reply."
    )
    ctranslate2_max_tokens: int = Field(
        256, gt=0, description="ctranslate2: longest reply where the request sets none."
    )
    ctranslate2_temperature: float = Field(0.7, ge=0, le=2, description="ctranslate2: where the request sets none.")
    ctranslate2_top_p: float = Field(0.8, gt=0, le=1, description="ctranslate2: where the request sets none.")
    ctranslate2_top_k: int = Field(20, ge=0, description="ctranslate2: likeliest tokens considered; 0: all.")
    ctranslate2_cached_prompts: int = Field(4, ge=0, description="ctranslate2: system prompts that are kept computed.")

    fake_reply: str = Field("This is the fake engine.", description="fake: what it says; {user} is what it was told.")
    fake_words_per_delta: int = Field(0, ge=0, description="fake: words a delta; 0 sends the reply as one delta.")
    fake_queue_delay_ms: float = Field(0, ge=0, description="fake: how long a request waits before it is begun.")
    fake_first_delay_ms: float = Field(0, ge=0, description="fake: pause before the first delta.")
    fake_delta_delay_ms: float = Field(0, ge=0, description="fake: pause between deltas.")
    fake_tool_when: str = Field("", description="fake: call fake_tool_name when the user's text contains this.")
    fake_tool_name: str = Field("", description="fake: tool to call.")
    fake_tool_arguments: str = Field("{}", description="fake: its arguments, as JSON.")
    fake_failure: FakeFailure = Field("none", description="fake: what goes wrong, and only where fake_fail_when says.")
    fake_fail_when: str = Field("", description="fake: fail when the user's text contains this; empty: always.")
