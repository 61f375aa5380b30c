"""Makes whisper-words: speaks to it, and teaches it what was said."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from scripts.setup_env import Progress
from scripts.test_models.training import Schedule, train
from scripts.test_models.whisper_words import examples, network, shape, speech
from scripts.test_models.whisper_words.words import ALL_WORDS

SEED = 0
UTTERANCES = 4500
NOTHINGS = 400
"""Pieces of silence and noise."""
STEPS = 2300


def make(folder: Path, progress: Progress) -> dict[str, object]:
    """Train it and write it into `folder`. Takes some minutes on two cores."""
    began = time.monotonic()
    extractor = FeatureExtractor()
    random_ = random.Random(SEED)  # noqa: S311  # not for secrets

    def spoken(count: int) -> None:
        if count % 50 == 0:
            progress.show(f"whisper-words: speaking, {count} of {UTTERANCES}")

    said = [examples.heard(random_, each, extractor) for each in speech.corpus(UTTERANCES, SEED, spoken)]
    said += [examples.nothing(random_, extractor) for _ in range(NOTHINGS)]
    spoken_s = time.monotonic() - began

    def learned(step: int, value: float) -> None:
        progress.show(f"whisper-words: learning, step {step} of {STEPS}, loss {value:.3f}")

    sizes = shape.Shape()
    params = train(beginning(sizes), loss_of(sizes), examples.batches(said, SEED), Schedule(STEPS, rate=3e-3), learned)
    params.pop("classes")
    shape.save(jax.tree.map(np.asarray, params), sizes, folder)
    return {"seconds": round(time.monotonic() - began), "speaking_seconds": round(spoken_s), "steps": STEPS}


def beginning(sizes: shape.Shape) -> shape.Params:
    """Return random weights, and those of the classes of frames, which only training needs."""
    rng = np.random.default_rng(SEED)
    classes = 0.1 * rng.standard_normal((1 + len(ALL_WORDS), sizes.width))
    return {**shape.random_params(sizes, SEED), "classes": classes.astype(np.float32)}


def loss_of(sizes: shape.Shape) -> Any:
    """Return the loss: that of what follows, and two that teach early what is heard where.

    Each frame of the encoder names the word it is in, and the heads that word times are read from listen to the word
    that comes next: with both, it learns in minutes what it would find out in hours.
    """

    def loss(params: Any, batch: Any) -> Any:
        follows, named, listened = parts(params, sizes, batch)
        return follows + 0.5 * named + 0.3 * listened

    return loss


def parts(params: Any, sizes: shape.Shape, batch: Any) -> tuple[Any, Any, Any]:
    """Return the three losses: what follows, what each frame is, where is listened."""
    heads = [head for _, head in sizes.alignment_heads]
    weights = batch["log_weights"]
    states = network.encode(params, sizes, batch["features"], batch["positions"], weights)
    logits, looked = network.decode(params, sizes, batch["tokens"], states, weights)
    follows = _mean(_missed(logits, batch["targets"]), batch["counts"])
    named = _mean(_missed(states @ params["classes"].T, batch["classes"]), (weights > examples.HIDDEN / 2))
    first, end = batch["listens"][:, None, :, :1], batch["listens"][:, None, :, 1:]
    frames = jnp.arange(states.shape[1])
    share = jnp.sum(looked[:, jnp.array(heads)] * ((frames >= first) & (frames < end)), axis=-1)
    listened = _mean(-jnp.log(share + 1e-4), jnp.broadcast_to(first[..., 0] >= 0, share.shape))
    return follows, named, listened


def _missed(logits: Any, targets: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], axis=-1)[..., 0]


def _mean(values: Any, weights: Any) -> Any:
    return jnp.sum(values * weights) / (jnp.sum(weights) + 1e-6)
