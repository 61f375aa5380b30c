"""The network of llama-tiny: Llama's blocks in JAX, exactly as ctranslate2 computes them, and its files.

RMS norms, rotary positions by halves, two key-value heads for four query heads, SwiGLU, and no biases.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ctranslate2.specs import TransformerDecoderModelSpec, common_spec

from scripts.test_models.llama_tiny import chat
from scripts.test_models.training import Params

EPSILON = 1e-6
ROTARY_BASE = 10000.0


@dataclass(frozen=True)
class Shape:
    """Sizes of the network."""

    width: int = 64
    heads: int = 4
    key_heads: int = 2
    head_width: int = 16
    layers: int = 2
    hidden: int = 160


def random_params(shape: Shape, seed: int = 0) -> Params:
    """Return weights to begin from; matrices are [outputs, inputs]."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> Any:
        return (rng.standard_normal((rows, columns)) / math.sqrt(columns)).astype(np.float32)

    def norm() -> Any:
        return np.ones(shape.width, np.float32)

    def layer() -> dict[str, Any]:
        queries, keys = shape.heads * shape.head_width, shape.key_heads * shape.head_width
        return {
            "attention_norm": norm(),
            "q": matrix(queries, shape.width),
            "k": matrix(keys, shape.width),
            "v": matrix(keys, shape.width),
            "out": matrix(shape.width, queries),
            "ffn_norm": norm(),
            "gate": matrix(shape.hidden, shape.width),
            "up": matrix(shape.hidden, shape.width),
            "down": matrix(shape.width, shape.hidden),
        }

    return {
        "embeddings": matrix(len(chat.tokens()), shape.width),
        "layers": [layer() for _ in range(shape.layers)],
        "norm": norm(),
        "head": matrix(len(chat.tokens()), shape.width),
    }


def logits(params: Params, shape: Shape, ids: Any) -> Any:
    """Return what may follow each token of `ids` [batch, length]: [batch, length, tokens]."""
    count = ids.shape[1]
    mask = jnp.tril(jnp.ones((count, count), bool))
    hidden = params["embeddings"][ids]
    for layer in params["layers"]:
        hidden = hidden + _attention(layer, shape, _norm(hidden, layer["attention_norm"]), mask)
        normed = _norm(hidden, layer["ffn_norm"])
        hidden = hidden + (jax.nn.silu(normed @ layer["gate"].T) * (normed @ layer["up"].T)) @ layer["down"].T
    return _norm(hidden, params["norm"]) @ params["head"].T


def _norm(hidden: Any, gamma: Any) -> Any:
    return hidden * jax.lax.rsqrt(jnp.mean(hidden**2, axis=-1, keepdims=True) + EPSILON) * gamma


def _attention(layer: Params, shape: Shape, hidden: Any, mask: Any) -> Any:
    batch, count, _ = hidden.shape

    def heads(weight: Any, number: int) -> Any:
        return (hidden @ weight.T).reshape(batch, count, number, shape.head_width)

    queries = _rotated(heads(layer["q"], shape.heads))
    keys = jnp.repeat(_rotated(heads(layer["k"], shape.key_heads)), shape.heads // shape.key_heads, axis=2)
    values = jnp.repeat(heads(layer["v"], shape.key_heads), shape.heads // shape.key_heads, axis=2)
    scores = jnp.einsum("bqhd,bkhd->bhqk", queries, keys) / math.sqrt(shape.head_width)
    weights = jax.nn.softmax(jnp.where(mask, scores, -1e9), axis=-1)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, values).reshape(batch, count, -1) @ layer["out"].T


def _rotated(heads: Any) -> Any:
    """Turn [batch, length, heads, width] by position: the first half of the width against the second."""
    count, width = heads.shape[1], heads.shape[3]
    angles = np.arange(count)[:, None] * ROTARY_BASE ** (-np.arange(0, width, 2) / width)[None, :]
    cosines, sines = np.cos(angles)[:, None, :].astype(np.float32), np.sin(angles)[:, None, :].astype(np.float32)
    low, high = heads[..., : width // 2], heads[..., width // 2 :]
    return jnp.concatenate([low * cosines - high * sines, high * cosines + low * sines], axis=-1)


def save(params: Params, shape: Shape, folder: Path) -> None:
    """Write what ctranslate2.Generator and a tokenizer with a chat template load into `folder`."""
    spec = TransformerDecoderModelSpec.from_config(
        shape.layers,
        shape.heads,
        activation=common_spec.Activation.SWISH,
        pre_norm=True,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=False,
        rotary_base=ROTARY_BASE,
        num_heads_kv=shape.key_heads,
    )
    weights = jax.tree.map(np.asarray, params)
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = weights["embeddings"]
    decoder.layer_norm.gamma = weights["norm"]
    decoder.projection.weight = weights["head"]
    for to, layer in zip(decoder.layer, weights["layers"], strict=True):
        to.self_attention.layer_norm.gamma = layer["attention_norm"]
        to.self_attention.linear[0].weight = np.concatenate([layer["q"], layer["k"], layer["v"]])
        to.self_attention.linear[1].weight = layer["out"]
        to.ffn.layer_norm.gamma = layer["ffn_norm"]
        to.ffn.linear_0.weight = layer["gate"]
        to.ffn.linear_0_noact.weight = layer["up"]
        to.ffn.linear_1.weight = layer["down"]
    spec.config.bos_token = chat.END_OF_TEXT
    spec.config.eos_token = chat.END_OF_TURN
    spec.config.unk_token = ""
    spec.config.layer_norm_epsilon = EPSILON
    spec.register_vocabulary(list(chat.tokens()))
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    chat.tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(chat.tokenizer_config(), indent=2))
