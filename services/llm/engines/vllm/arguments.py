"""vLLM's settings, each with its reason: the time to the first token decides, then that nobody waits for another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.common.errors import InvalidInput
from services.llm.engine import Sampling
from services.llm.settings import LlmSettings

STRUCTURED_OUTPUTS_BACKEND = "xgrammar"
"""Named, not "auto": that falls back to another backend for schemas that this one refuses, at another speed."""
GIB = 1 << 30


def engine_arguments(settings: LlmSettings, folder: Path) -> dict[str, Any]:
    """Return the keyword arguments of AsyncEngineArgs. Raises InvalidInput for extra ones that would undo these."""
    arguments: dict[str, Any] = {
        "model": str(folder),
        "served_model_name": settings.vllm_model,
        "trust_remote_code": False,  # a model is data; it brings no code into this process
        "dtype": settings.vllm_dtype,
        "quantization": settings.vllm_quantization or None,
        "tensor_parallel_size": settings.vllm_tensor_parallel,
        "seed": 0,
        # Memory. vLLM's default takes 0.92 of the GPU, and recognition and synthesis live on it, too.
        "gpu_memory_utilization": settings.vllm_gpu_memory_utilization,
        # A size in bytes does not depend on what the other services happen to hold while this one is measuring.
        "kv_cache_memory_bytes": round(settings.vllm_kv_cache_gib * GIB) or None,
        "kv_cache_dtype": settings.vllm_kv_cache_dtype,
        # A spoken conversation is short: a request may then never grow to the 40,960 tokens that Qwen3 could take.
        "max_model_len": settings.vllm_max_model_len,
        # Steps. A step is as long as its tokens: whoever arrives waits for the one that runs, so it is kept short. The
        # defaults (8192 tokens, 1024 sequences on a large GPU) are made for throughput.
        "max_num_batched_tokens": settings.vllm_max_num_batched_tokens,
        "max_num_seqs": settings.vllm_max_num_seqs,
        "enable_chunked_prefill": True,  # running replies go on while a long prompt is computed in pieces
        # A prompt in pieces comes before whoever waits, whatever their priority: it must leave them room in each step.
        "long_prefill_token_threshold": settings.vllm_long_prefill_tokens,
        "scheduling_policy": "priority",  # a live turn before speculation before prefill
        "async_scheduling": True,  # the next step is planned while the GPU computes this one
        # History and system prompt are computed once. By SHA-256: a tenant's salt is only as good as the hash.
        "enable_prefix_caching": True,
        "prefix_caching_hash_algo": "sha256",
        # Kernels. Graphs for every batch size up to 32 ("interactivity"): no padding at the sizes that calls make.
        "enforce_eager": settings.vllm_enforce_eager,
        "performance_mode": "interactivity",
        "stream_interval": 1,  # every token leaves when it is made
        # A request's statistics say how long it stood in the queue. Without them, vLLM 0.26 also dies of the first
        # request with tracing (`OutputProcessor.do_tracing` asserts that they are there).
        "disable_log_stats": False,
        "otlp_traces_endpoint": settings.otlp_endpoint or None,
        "enable_log_requests": False,  # nothing that was said is logged
    }
    kept = sorted(settings.vllm_extra_args.keys() & {*arguments, "structured_outputs_config"})
    if kept:
        raise InvalidInput(
            f"PARLEY_LLM_VLLM_EXTRA_ARGS sets {', '.join(kept)}: they have settings of their own, or none"
        )
    return arguments | settings.vllm_extra_args


def sampling_arguments(sampling: Sampling, settings: LlmSettings, room: int) -> dict[str, Any]:
    """Return the keyword arguments of SamplingParams for a reply of at most `room` tokens."""
    temperature = settings.vllm_temperature if sampling.temperature is None else sampling.temperature
    return {
        "temperature": temperature,
        "top_p": settings.vllm_top_p if sampling.top_p is None else sampling.top_p,
        "top_k": settings.vllm_top_k,
        "max_tokens": min(sampling.max_tokens or settings.vllm_max_tokens, room),
        # vLLM takes 64 bits with a sign.
        "seed": None if sampling.seed is None else sampling.seed & ((1 << 63) - 1),
    }
