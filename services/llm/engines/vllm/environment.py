"""What vLLM and the hub's library read from the environment, once, when they are imported."""

from __future__ import annotations

from collections.abc import MutableMapping

WANTED = {
    # Nothing is fetched silently: a file that is missing is an error, not a download.
    "HF_HUB_OFFLINE": "1",
    # The model's process is started while gRPC's threads run here: a fork of them would hang.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    # Nothing is reported to anybody.
    "VLLM_NO_USAGE_STATS": "1",
}


def prepare(environment: MutableMapping[str, str]) -> None:
    """Set what is wanted, where an operator has not set it otherwise."""
    for name, value in WANTED.items():
        environment.setdefault(name, value)
