"""The shape of whisper-words, its random beginning, and how its weights become files that ctranslate2 loads."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec
from numpy.typing import NDArray

from scripts.test_models.whisper_words import vocabulary

Array = NDArray[np.float32]
Params = dict[str, Any]
"""Weights: dicts and lists of dicts with arrays at the ends; a matrix is [outputs, inputs], as ctranslate2 wants it."""

MELS = 80
FRAMES = 3000
"""What Whisper's features are padded to: 30 s of 10 ms."""
POSITIONS = FRAMES // 2
TOKENS = 448
NEVER = -1e4
"""The bias of tokens that the model does not say; float16 holds it."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the network."""

    width: int = 64
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 2

    @property
    def alignment_heads(self) -> list[list[int]]:
        """Return [layer, head] of those that word times are read from: the last layer's first two."""
        return [[self.decoder_layers - 1, 0], [self.decoder_layers - 1, 1]]


def sinusoids(count: int, width: int) -> Array:
    """Return Whisper's sinusoidal positions [count, width]: sines, then cosines."""
    steps = np.exp(-math.log(10000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(count)[:, None] * steps[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def encoder_positions(width: int) -> Array:
    """Return what is added to the encoder's frames: weak, so that what is heard is not drowned at the beginning."""
    return np.float32(0.5) * sinusoids(POSITIONS, width)


def decoder_positions(width: int) -> Array:
    """Return what is added to tokens, weak beside their embeddings."""
    return np.float32(0.1) * sinusoids(TOKENS, width)


def random_params(shape: Shape, seed: int = 0) -> Params:
    """Return weights to begin from."""
    rng = np.random.default_rng(seed)
    width = shape.width

    def matrix(rows: int, *columns: int) -> Array:
        return (rng.standard_normal((rows, *columns)) / math.sqrt(math.prod(columns))).astype(np.float32)

    def linear(rows: int, columns: int, *, bias: bool = True) -> Params:
        weight = {"weight": matrix(rows, columns)}
        return {**weight, "bias": np.zeros(rows, np.float32)} if bias else weight

    def norm() -> Params:
        return {"gamma": np.ones(width, np.float32), "beta": np.zeros(width, np.float32)}

    def attention() -> Params:
        names = {"q": True, "k": False, "v": True, "out": True}
        return {"norm": norm(), **{name: linear(width, width, bias=bias) for name, bias in names.items()}}

    def layer(*, cross: bool) -> Params:
        ffn = {"norm": norm(), "up": linear(2 * width, width), "down": linear(width, 2 * width)}
        return {"self": attention(), "ffn": ffn, **({"cross": attention()} if cross else {})}

    def conv(inputs: int) -> Params:
        return {"weight": matrix(width, inputs, 3), "bias": np.zeros(width, np.float32)}

    return {
        "conv1": conv(MELS),
        "conv2": conv(width),
        "encoder": [layer(cross=False) for _ in range(shape.encoder_layers)],
        "encoder_norm": norm(),
        "embeddings": matrix(len(vocabulary.all_tokens()), width),
        "decoder": [layer(cross=True) for _ in range(shape.decoder_layers)],
        "decoder_norm": norm(),
    }


def save(params: Params, shape: Shape, folder: Path) -> None:
    """Write everything that faster_whisper.WhisperModel loads into `folder`, which exists and is empty."""
    spec = _filled_spec(params, shape)
    spec.register_vocabulary(vocabulary.all_tokens())
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [vocabulary.SPACE, vocabulary.special_id("endoftext")]
    spec.config.lang_ids = [vocabulary.special_id(code) for code in vocabulary.LANGUAGES]
    spec.config.alignment_heads = shape.alignment_heads
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    vocabulary.tokenizer().save(str(folder / "tokenizer.json"))
    features = {"feature_size": MELS, "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400}
    (folder / "preprocessor_config.json").write_text(json.dumps(features, indent=2))


def _filled_spec(params: Params, shape: Shape) -> WhisperSpec:
    spec = WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    encoder, decoder = spec.encoder, spec.decoder
    for name, conv in (("conv1", encoder.conv1), ("conv2", encoder.conv2)):
        conv.weight, conv.bias = np.asarray(params[name]["weight"]), np.asarray(params[name]["bias"])
    encoder.position_encodings.encodings = encoder_positions(shape.width)
    decoder.position_encodings.encodings = decoder_positions(shape.width)
    for side, name in ((encoder, "encoder"), (decoder, "decoder")):
        _norm(side.layer_norm, params[f"{name}_norm"])
        for layer, weights in zip(side.layer, params[name], strict=True):
            _attention(layer.self_attention, weights["self"], fused=("q", "k", "v"))
            if name == "decoder":
                _attention(layer.attention, weights["cross"], fused=("q",))
            _norm(layer.ffn.layer_norm, weights["ffn"]["norm"])
            _linear(layer.ffn.linear_0, weights["ffn"]["up"])
            _linear(layer.ffn.linear_1, weights["ffn"]["down"])
    decoder.embeddings.weight = decoder.projection.weight = np.asarray(params["embeddings"])
    # What was never learned is barred, or it would be as likely as chance has it.
    decoder.projection.bias = np.full(len(params["embeddings"]), NEVER, np.float32)
    decoder.projection.bias[list(vocabulary.said_ids())] = 0
    return spec


def _norm(spec: Any, weights: Params) -> None:
    spec.gamma, spec.beta = np.asarray(weights["gamma"]), np.asarray(weights["beta"])


def _linear(spec: Any, *parts: Params) -> None:
    """Fill one linear layer with `parts` one below the other; a part without a bias gets zeros, as Whisper's keys."""
    weights = [np.asarray(part["weight"]) for part in parts]
    biases = [np.asarray(part.get("bias", np.zeros(len(part["weight"]), np.float32))) for part in parts]
    spec.weight, spec.bias = np.concatenate(weights), np.concatenate(biases)


def _attention(spec: Any, weights: Params, *, fused: tuple[str, ...]) -> None:
    """Fill an attention: self-attention has q, k and v in one layer, cross-attention q alone and k with v."""
    _norm(spec.layer_norm, weights["norm"])
    _linear(spec.linear[0], *(weights[name] for name in fused))
    if len(fused) == 1:
        _linear(spec.linear[1], weights["k"], weights["v"])
    _linear(spec.linear[-1], weights["out"])
