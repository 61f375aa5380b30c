"""Adam and a training loop, in JAX: what both networks are trained with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

Params = Any
"""Weights: dicts and lists with arrays at the ends."""
Batch = Any
"""Arrays of one step, as the loss takes them."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. The rate warms up linearly and falls as half a cosine."""

    steps: int
    rate: float = 2e-3
    warmup: int = 50
    clip: float = 1.0
    """What the norm of all gradients together is cut to."""
    decay: float = 0.01
    """Weight decay of matrices, as in AdamW."""

    def factor(self, step: Any) -> Any:
        """Return the rate of a step."""
        warm = jnp.minimum(1.0, (step + 1) / self.warmup)
        return self.rate * warm * (0.02 + 0.98 * 0.5 * (1 + jnp.cos(math.pi * step / self.steps)))


def train(
    params: Params,
    loss: Callable[[Params, Batch], Any],
    batches: Iterator[Batch],
    schedule: Schedule,
    show: Callable[[int, float], None],
) -> Params:
    """Return trained weights. `show` is told of steps and the running loss; batches of one shape compile once."""

    @jax.jit
    def advance(params: Params, first: Params, second: Params, step: Any, batch: Batch) -> Any:
        value, gradients = jax.value_and_grad(loss)(params, batch)
        norm = jnp.sqrt(sum(jnp.sum(gradient**2) for gradient in jax.tree.leaves(gradients)))
        cut = jnp.minimum(1.0, schedule.clip / (norm + 1e-9))
        first = jax.tree.map(lambda mean, gradient: 0.9 * mean + 0.1 * cut * gradient, first, gradients)
        second = jax.tree.map(lambda mean, gradient: 0.98 * mean + 0.02 * (cut * gradient) ** 2, second, gradients)
        rate = schedule.factor(step)

        def updated(weight: Any, mean: Any, square: Any) -> Any:
            moved = mean / (1 - 0.9 ** (step + 1)) / (jnp.sqrt(square / (1 - 0.98 ** (step + 1))) + 1e-8)
            return weight - rate * (moved + (schedule.decay * weight if weight.ndim > 1 else 0))

        return jax.tree.map(updated, params, first, second), first, second, value

    params = jax.tree.map(jnp.asarray, params)
    first = jax.tree.map(jnp.zeros_like, params)
    second = first
    running = 0.0
    for step in range(schedule.steps):
        params, first, second, value = advance(params, first, second, jnp.float32(step), next(batches))
        running = float(value) if step == 0 else 0.95 * running + 0.05 * float(value)
        show(step + 1, running)
    return params
