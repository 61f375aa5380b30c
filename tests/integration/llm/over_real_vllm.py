r"""A pytest plugin: the vllm engine's contract suite over the real vLLM 0.26 with a model that is computed.

    python -m pytest -p tests.integration.llm.over_real_vllm -o asyncio_default_test_loop_scope=session \
        -o asyncio_default_fixture_loop_scope=session tests/contract/test_llm.py -k vllm

On a CPU or a GPU; nothing of vLLM is replaced. The model is llama-tiny (`make test-models`), written as vLLM loads it.
How to make an environment for it: docs/development.md. vLLM's processes are started once for each set of settings and
handed from test to test, hence the one event loop; all of our own is made anew.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.test_models import hugging_face
from services.llm.engines.vllm import loading
from tests.integration.llm import vllm_stand_in

DEADLINE_S = 110
"""For a start, or an answer, beside other work on two cores."""
LONGEST = 100_000
"""The tiny model makes a token in milliseconds: told to talk slowly it goes on for longer than a test takes."""
SETTINGS = {
    "VLLM_KV_CACHE_GIB": "0.25",
    "VLLM_ENFORCE_EAGER": "true",
    "VLLM_TEMPERATURE": "0",
    # A CPU's blocks are of 128 tokens where nobody says otherwise; "uni": the model in the core's own process.
    "VLLM_EXTRA_ARGS": '{"block_size": 16, "distributed_executor_backend": "uni"}',
}
"""Of the service, below what a test sets itself."""


_kept: dict[str, tuple[Any, Callable[..., None]]] = {}
"""Those that run, by their settings, each with what stops it."""


def pytest_configure() -> None:
    """Leave the stand-in out, and set what a machine of two cores needs."""
    vllm_stand_in.install = lambda: None
    load = loading._load
    loading._load = lambda arguments: _taken(arguments, load)
    loading._children_but = lambda others: set()  # those that are kept outlive the engine that began them
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # a compiler of half a minute for a model of milliseconds
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # on a CPU, "uni" is overruled without it
    for name, value in SETTINGS.items():
        os.environ.setdefault(f"PARLEY_LLM_{name}", value)


def pytest_sessionfinish() -> None:
    """Stop vLLM's processes."""
    for _, stop in _kept.values():
        stop(timeout=5)


def pytest_collection_finish() -> None:
    """Show the suite a model folder as vLLM reads it, and give it time for a real start."""
    models = Path(tempfile.mkdtemp(prefix="parley-over-vllm-"))
    hugging_face.write(models / "llama-tiny", longest=LONGEST)
    suite = sys.modules["tests.contract.test_llm"]
    suite.__dict__.update(
        MODELS=models,
        DEADLINE_S=DEADLINE_S,
        VLLM_ENDLESS={"vllm_max_tokens": LONGEST, "vllm_max_model_len": LONGEST},
    )


def _taken(arguments: dict[str, Any], load: Callable[[dict[str, Any]], Any]) -> Any:
    key = json.dumps(arguments, sort_keys=True)
    if key not in _kept:
        llm = load(arguments)
        _kept[key] = llm, llm.shutdown
        llm.shutdown = lambda timeout=None: None
    return _kept[key][0]
