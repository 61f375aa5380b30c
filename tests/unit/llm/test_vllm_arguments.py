"""What vLLM is told, and why not otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.common.errors import InvalidInput
from services.llm.engine import Sampling
from services.llm.engines.vllm.arguments import engine_arguments, sampling_arguments
from services.llm.engines.vllm.environment import prepare
from services.llm.settings import LlmSettings

pytestmark = pytest.mark.unit


def arguments(**changes: Any) -> dict[str, Any]:
    return engine_arguments(LlmSettings.model_validate(changes), Path("models/m"))


def test_what_decides_the_first_token_is_said_and_not_left_to_defaults() -> None:
    said = arguments()
    for name in (
        "max_num_batched_tokens",
        "max_num_seqs",
        "max_model_len",
        "gpu_memory_utilization",
        "enable_prefix_caching",
        "enable_chunked_prefill",
        "scheduling_policy",
        "async_scheduling",
        "enforce_eager",
        "performance_mode",
        "stream_interval",
        "disable_log_stats",
        "kv_cache_dtype",
        "dtype",
        "quantization",
    ):
        assert name in said
    assert said["scheduling_policy"] == "priority"
    assert said["long_prefill_token_threshold"] < said["max_num_batched_tokens"], "a long prompt leaves room"
    assert said["trust_remote_code"] is False
    assert said["enable_log_requests"] is False


@pytest.mark.parametrize("endpoint", ["", "http://collector:4317"])
def test_statistics_are_on_for_queue_times_and_as_traces_kill_vllm_without_them(endpoint: str) -> None:
    said = arguments(otlp_endpoint=endpoint)
    assert (said["otlp_traces_endpoint"] or "") == endpoint
    assert said["disable_log_stats"] is False


def test_a_cache_of_a_size_is_told_in_bytes() -> None:
    assert arguments()["kv_cache_memory_bytes"] is None
    assert arguments(vllm_kv_cache_gib=1.5)["kv_cache_memory_bytes"] == 3 << 29


def test_what_has_no_setting_can_be_said_and_what_has_one_cannot_be_said_twice() -> None:
    assert arguments(vllm_extra_args={"block_size": 32})["block_size"] == 32
    with pytest.raises(InvalidInput, match="max_num_seqs, structured_outputs_config"):
        arguments(vllm_extra_args={"max_num_seqs": 1, "structured_outputs_config": {}})


def test_a_reply_never_outgrows_the_models_context() -> None:
    assert sampling_arguments(Sampling(max_tokens=500), LlmSettings(), room=20)["max_tokens"] == 20
    assert sampling_arguments(Sampling(), LlmSettings(vllm_max_tokens=9), room=20)["max_tokens"] == 9


def test_any_seed_of_64_bits_is_one_that_vllm_takes() -> None:
    for seed in (0, 7, (1 << 64) - 1):
        assert 0 <= sampling_arguments(Sampling(seed=seed), LlmSettings(), 1)["seed"] < 1 << 63


def test_nothing_is_fetched_and_nothing_is_forked_unless_someone_says_so() -> None:
    environment = {"HF_HUB_OFFLINE": "0", "OTHER": "x"}
    prepare(environment)
    assert environment == {
        "HF_HUB_OFFLINE": "0",
        "OTHER": "x",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_NO_USAGE_STATS": "1",
    }
