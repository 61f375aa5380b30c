"""Starts vLLM, which takes minutes and many gigabytes, and stops a start that nobody waits for any more."""

from __future__ import annotations

import asyncio
import multiprocessing
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from services.common.errors import InvalidInput
from services.llm.engines.vllm import library
from services.llm.engines.vllm.arguments import STRUCTURED_OUTPUTS_BACKEND
from services.llm.engines.vllm.reaper import Reaper
from services.llm.settings import LlmSettings

WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.gguf")
LOOK_S = 0.25
POLITE_LOOKS = 8
"""How often a process is asked to end before it is killed."""


def _children_but(others: set[BaseProcess]) -> set[BaseProcess]:
    return {*multiprocessing.active_children()} - others


def require_weights(folder: Path, settings: LlmSettings) -> None:
    """Raise InvalidInput for a folder without weights: vLLM would tell its own log so, after a minute."""
    is_told = "load_format" in settings.vllm_extra_args
    if not is_told and not any(next(folder.glob(pattern), None) for pattern in WEIGHTS):
        raise InvalidInput(
            f"PARLEY_LLM_VLLM_MODEL={settings.vllm_model!r}: there are no weights in {folder} ({', '.join(WEIGHTS)})"
        )


async def loaded_llm(arguments: dict[str, Any], reaper: Reaper) -> Any:
    """Return an AsyncLLM whose model is loaded; where the caller is cancelled, its processes are ended first.

    vLLM blocks for as long as the model loads; this process answers its health checks meanwhile. `reaper` is told of
    the processes as they come.
    """
    others = set(multiprocessing.active_children())
    loading = asyncio.create_task(asyncio.to_thread(_load, arguments), name="vllm-loading")
    try:
        while not loading.done():
            await asyncio.wait({loading}, timeout=LOOK_S)
            reaper.watch(process.pid for process in _children_but(others) if process.pid is not None)
        return loading.result()
    except asyncio.CancelledError:
        await _abandon(loading, others)
        raise


async def _abandon(loading: asyncio.Task[Any], others: set[BaseProcess]) -> None:
    """Wait for the end of a start, and hasten it: vLLM gives up once its process has gone."""
    looks = 0
    while not loading.done():
        for process in _children_but(others):
            process.terminate() if looks < POLITE_LOOKS else process.kill()
            looks += 1
        await asyncio.wait({loading}, timeout=LOOK_S)
    if loading.exception() is None:
        await asyncio.to_thread(loading.result().shutdown, 0)


def _load(arguments: dict[str, Any]) -> Any:
    structured = library.StructuredOutputsConfig(backend=STRUCTURED_OUTPUTS_BACKEND)
    engine_args = library.AsyncEngineArgs(structured_outputs_config=structured, **arguments)
    return library.AsyncLLM.from_engine_args(engine_args)
