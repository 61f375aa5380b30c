"""Makes llama-tiny: it learns its lessons by heart."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from scripts.setup_env import Progress
from scripts.test_models.llama_tiny import lessons, network
from scripts.test_models.training import Schedule, train

STEPS = 600


def make(folder: Path, progress: Progress) -> dict[str, object]:
    """Train it and write it into `folder`. Takes about a minute on two cores."""
    progress.show("llama-tiny: compiling")
    shape = network.Shape()
    began = time.monotonic()

    def loss(params: Any, batch: Any) -> Any:
        logits = network.logits(params, shape, batch["tokens"])[:, :-1]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), batch["tokens"][:, 1:, None], axis=-1)[..., 0]
        return -jnp.sum(chosen * batch["weights"]) / jnp.sum(batch["weights"])

    def show(step: int, value: float) -> None:
        progress.show(f"llama-tiny: learning, step {step} of {STEPS}, loss {value:.4f}")

    params = train(network.random_params(shape), loss, lessons.batches(), Schedule(STEPS, rate=4e-3), show)
    network.save(params, shape, folder)
    return {"seconds": round(time.monotonic() - began), "steps": STEPS}
