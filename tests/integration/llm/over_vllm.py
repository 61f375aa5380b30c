"""A pytest plugin: the contract suite's vllm engine over the real AsyncLLM, wherever vLLM 0.26 imports, GPU or not.

    python -m pytest -p tests.integration.llm.over_vllm tests/contract/test_llm.py -k vllm

All of vLLM's front runs: the checks of its settings, prompts, structural tags (xgrammar), detokenizer, queues, aborts.
Only its core process is replaced, by the stand-in's scripted one. It needs the tokenizer of `make test-models`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import vllm.platforms
from tokenizers import Tokenizer
from vllm.platforms.cpu import CpuPlatform
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, FinishReason
from vllm.v1.engine.core_client import EngineCoreClient
from vllm.v1.metrics.stats import PrefillStats

from tests.integration.llm import vllm_stand_in
from tests.integration.llm.vllm_core import Core, Made

TINY = Path(".models/test/llama-tiny")
SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "num_hidden_layers": 2,
    "vocab_size": 512,
    "max_position_embeddings": 4_000_000,
    "torch_dtype": "float32",
}
"""Of a model that is never computed."""
REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH, None: None}


class ScriptedCore:
    """Stands where vLLM's client of its core process stands."""

    def __init__(self, vllm_config: Any, **_: Any) -> None:
        tokenizer = Tokenizer.from_file(str(TINY / "tokenizer.json"))
        scheduler = vllm_config.scheduler_config
        limits = SimpleNamespace(
            max_num_batched_tokens=scheduler.max_num_batched_tokens,
            max_num_seqs=scheduler.max_num_seqs,
            long_prefill_token_threshold=scheduler.long_prefill_token_threshold,
            enable_prefix_caching=vllm_config.cache_config.enable_prefix_caching,
        )
        self.core = Core(limits, tokenizer, tokenizer.token_to_id("<|im_end|>") or 0)
        self.resources = SimpleNamespace(engine_dead=False)
        self.engine_ranks_managed = [0]
        self._running: asyncio.Task[None] | None = None

    async def get_supported_tasks_async(self) -> tuple[str, ...]:
        return ("generate",)

    async def add_request_async(self, request: Any) -> None:
        if self._running is None:
            self._running = asyncio.create_task(self.core.run())
        salt = request.cache_salt or ""
        self.core.add(request.request_id, request.prompt_token_ids, request.sampling_params, request.priority, salt)

    async def abort_requests_async(self, request_ids: list[str]) -> None:
        self.core.abort(request_ids)

    async def get_output_async(self) -> Any:
        made = await self.core.outputs.get()
        return EngineCoreOutputs(outputs=[_output(one) for one in made], timestamp=time.monotonic())

    def shutdown(self, timeout: float | None = None) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.get_loop().call_soon_threadsafe(running.cancel)


def _output(made: Made) -> Any:
    stats = None
    if made.request.made == 1:
        stats = PrefillStats()
        stats.num_cached_tokens = made.request.cached
    return EngineCoreOutput(
        made.request.id, [made.token], finish_reason=REASONS[made.finish_reason], prefill_stats=stats
    )


def pytest_configure() -> None:
    """Put the scripted core under the real library, and leave the stand-in out."""
    vllm.platforms._current_platform = CpuPlatform()
    EngineCoreClient.make_async_mp_client = staticmethod(lambda **arguments: ScriptedCore(**arguments))
    vllm_stand_in.install = lambda: None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Show the suite a model folder as vLLM reads it."""
    models = Path(tempfile.mkdtemp(prefix="parley-over-vllm-"))
    (models / "llama-tiny").mkdir()
    (models / "llama-tiny" / "config.json").write_text(json.dumps(SHAPE))
    (models / "llama-tiny" / "model.safetensors").touch()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TINY / name, models / "llama-tiny" / name)
    for module in {item.getparent(pytest.Module) for item in items}:
        if module is not None and hasattr(module.obj, "MODELS"):
            module.obj.MODELS = models
