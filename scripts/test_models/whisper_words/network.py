"""Whisper's network in JAX, exactly as ctranslate2 computes it; what shape.py saves is trained through this.

Training has one liberty: the encoder's frames are given with their positions and weights, so that a few frames stand
for thirty seconds of padding. A frame of weight w counts in attention as w equal ones.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from scripts.test_models.whisper_words.shape import Params, Shape, decoder_positions, encoder_positions
from scripts.test_models.whisper_words.vocabulary import said_ids

EPSILON = 1e-5


def encode(params: Params, shape: Shape, features: Any, positions: Any, log_weights: Any) -> Any:
    """Return encoder states [batch, frames, width].

    `features` are [batch, 2 * frames, mels]; `positions` [batch, frames] are the frames' places in the 30 s, and
    `log_weights` [batch, frames] the logarithms of how many frames each stands for.
    """
    hidden = _convolved(params["conv1"], features)
    hidden = _convolved(params["conv2"], hidden)[:, ::2]
    hidden = hidden + jnp.asarray(encoder_positions(shape.width))[positions]
    for layer in params["encoder"]:
        hidden = hidden + attention(layer["self"], shape, hidden, None, log_weights[:, None, None, :])[0]
        hidden = hidden + _feed_forward(layer["ffn"], hidden)
    return _norm(params["encoder_norm"], hidden)


def decode(params: Params, shape: Shape, tokens: Any, states: Any, log_weights: Any) -> tuple[Any, Any]:
    """Return logits [batch, length, said_ids()], and the last layer's attention [batch, heads, length, frames]."""
    count = tokens.shape[1]
    mask = jnp.where(jnp.tril(jnp.ones((count, count), bool)), 0.0, -1e9)
    hidden = params["embeddings"][tokens] + jnp.asarray(decoder_positions(shape.width))[:count]
    looked = None
    for layer in params["decoder"]:
        hidden = hidden + attention(layer["self"], shape, hidden, None, mask)[0]
        heard, looked = attention(layer["cross"], shape, hidden, states, log_weights[:, None, None, :])
        hidden = hidden + heard
        hidden = hidden + _feed_forward(layer["ffn"], hidden)
    return _norm(params["decoder_norm"], hidden) @ params["embeddings"][jnp.asarray(said_ids())].T, looked


def attention(weights: Params, shape: Shape, hidden: Any, memory: Any, bias: Any) -> tuple[Any, Any]:
    """Return what is attended to, [batch, length, width], and how much, [batch, heads, length, keys]."""
    normed = _norm(weights["norm"], hidden)
    source = normed if memory is None else memory

    def heads(name: str, given: Any) -> Any:
        # One stack of matrices for all rows and heads: XLA multiplies those twice as fast on a CPU.
        apart = _linear(weights[name], given).reshape(*given.shape[:2], shape.heads, -1)
        return apart.transpose(0, 2, 1, 3).reshape(given.shape[0] * shape.heads, given.shape[1], -1)

    queries, keys, values = heads("q", normed), heads("k", source), heads("v", source)
    scores = queries @ keys.transpose(0, 2, 1) / math.sqrt(shape.width // shape.heads)
    batch, count, width = hidden.shape
    shares = jax.nn.softmax(scores.reshape(batch, shape.heads, count, -1) + bias, axis=-1)
    mixed = shares.reshape(scores.shape) @ values
    together = mixed.reshape(batch, shape.heads, count, -1).transpose(0, 2, 1, 3).reshape(batch, count, width)
    return _linear(weights["out"], together), shares


def _convolved(weights: Params, hidden: Any) -> Any:
    """Apply a convolution of three frames; as one product, which is faster here than a convolution."""
    padded = jnp.pad(hidden, ((0, 0), (1, 1), (0, 0)))
    three = jnp.concatenate([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], axis=-1)
    flat = jnp.transpose(weights["weight"], (2, 1, 0)).reshape(-1, weights["weight"].shape[0])
    product = (three.reshape(-1, three.shape[-1]) @ flat).reshape(*hidden.shape[:-1], -1)
    return jax.nn.gelu(product + weights["bias"], approximate=False)


def _feed_forward(weights: Params, hidden: Any) -> Any:
    up = jax.nn.gelu(_linear(weights["up"], _norm(weights["norm"], hidden)), approximate=False)
    return _linear(weights["down"], up)


def _linear(weights: Params, hidden: Any) -> Any:
    # Flat, which is twice as fast as XLA's product with a batch.
    product = (hidden.reshape(-1, hidden.shape[-1]) @ weights["weight"].T).reshape(*hidden.shape[:-1], -1)
    return product + weights["bias"] if "bias" in weights else product


def _norm(weights: Params, hidden: Any) -> Any:
    centred = hidden - jnp.mean(hidden, axis=-1, keepdims=True)
    scale = jax.lax.rsqrt(jnp.mean(centred**2, axis=-1, keepdims=True) + EPSILON)
    return centred * scale * weights["gamma"] + weights["beta"]
