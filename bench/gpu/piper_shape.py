"""Voices of Piper's real shapes with random weights: what a voice costs, without the voice.

    python -m bench.gpu.piper_shape medium FOLDER       # FOLDER/medium.onnx and FOLDER/medium.onnx.json

Layers, channels, kernels and dilations are those of piper-tts 1.8 (piper/train/vits/lightning.py: medium is its
default, high has the larger decoder), and so are the graph's inputs and outputs and its order: text encoder, durations,
length regulation by a path matrix, flow, HiFi-GAN. Left out or replaced, all of it small beside the decoder: relative
positions in the attention, the masks of single utterances, layer normalisation in the durations, and the splines of the
duration flow (their convolutions are here). Durations are a table, not the predictor's: speech as long as speech.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

SYMBOLS = 256
FRAMES_A_PHONEME = 5.0
"""At 22.05 kHz and 256 samples a frame, with a frame for each pad between: about 14 phonemes a second."""
_OPSET = 15


@dataclass(frozen=True, slots=True)
class Decoder:
    """A HiFi-GAN."""

    channels: int
    rates: tuple[int, ...]
    kernels: tuple[int, ...]
    block_kernels: tuple[int, ...]
    block_dilations: tuple[tuple[int, ...], ...]
    has_second_convs: bool
    """Whether each dilated convolution is followed by a plain one ("resblock 1")."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A voice."""

    decoder: Decoder
    hidden: int = 192
    filter: int = 768
    heads: int = 2
    layers: int = 6
    flows: int = 4
    flow_layers: int = 4
    speakers: int = 1
    speaker_channels: int = 512
    rate_hz: int = 22050

    @property
    def hop(self) -> int:
        """Samples a frame."""
        return int(np.prod(self.decoder.rates))


_MEDIUM = Decoder(256, (8, 8, 4), (16, 16, 8), (3, 5, 7), ((1, 2), (2, 6), (3, 12)), has_second_convs=False)
_HIGH = Decoder(512, (8, 8, 2, 2), (16, 16, 4, 4), (3, 7, 11), ((1, 3, 5),) * 3, has_second_convs=True)
_TINY = Decoder(16, (8, 8, 4), (16, 16, 8), (3, 5), ((1, 2), (2, 6)), has_second_convs=False)
SHAPES = {
    "medium": Shape(_MEDIUM),
    "high": Shape(_HIGH),
    "multi": Shape(_MEDIUM, speakers=904),  # as libritts
    "tiny": Shape(_TINY, hidden=8, filter=16, layers=1, flows=1, flow_layers=1, speakers=3, speaker_channels=4),
}


@dataclass
class _Graph:
    """Nodes and weights as they are added; every method returns the name of what it makes."""

    random: np.random.Generator
    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"/{name}", **attributes))
        return name

    def constant(self, value: Any, kind: type[np.generic] = np.float32) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def weight(self, *shape: int, fan_in: int = 0) -> str:
        scale = 1 / np.sqrt(fan_in or np.prod(shape[1:]))
        return self.constant(self.random.standard_normal(shape) * scale)

    def conv(self, x: str, from_: int, to: int, kernel: int = 1, dilation: int = 1, group: int = 1) -> str:
        pad = dilation * (kernel - 1) // 2
        weights = self.weight(to, from_ // group, kernel), self.constant(np.zeros(to))
        return self.op("Conv", x, *weights, kernel_shape=[kernel], dilations=[dilation], pads=[pad, pad], group=group)

    def upsample(self, x: str, from_: int, to: int, kernel: int, rate: int) -> str:
        pad = (kernel - rate) // 2
        weights = self.weight(from_, to, kernel, fan_in=from_ * kernel // rate), self.constant(np.zeros(to))
        return self.op("ConvTranspose", x, *weights, kernel_shape=[kernel], strides=[rate], pads=[pad, pad])

    def slice(self, x: str, begin: int, end: int, axis: int) -> str:
        return self.op("Slice", x, *(self.constant([number], np.int64) for number in (begin, end, axis)))


def make_voice(shape: Shape, seed: int = 0) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """Return the model and its Piper configuration."""
    g = _Graph(np.random.default_rng(seed))
    noise, length, noise_w = (g.op("Squeeze", g.slice("scales", at, at + 1, 0)) for at in range(3))
    speaker = ""
    if shape.speakers > 1:
        table = g.weight(shape.speakers, shape.speaker_channels, fan_in=1)
        speaker = g.op("Unsqueeze", g.op("Gather", table, "sid"), g.constant([2], np.int64))
    x = _encode_text(g, shape)
    widths = _durations(g, shape, x, length, noise_w)
    path, mask = _path(g, widths)
    stats = g.op("Transpose", g.conv(x, shape.hidden, 2 * shape.hidden), perm=[0, 2, 1])
    spread = g.op("Transpose", g.op("MatMul", path, stats), perm=[0, 2, 1])
    mean, log_scale = (g.slice(spread, at * shape.hidden, (at + 1) * shape.hidden, 1) for at in range(2))
    chance = g.op("Mul", g.op("Mul", g.op("RandomNormalLike", mean), g.op("Exp", log_scale)), noise)
    z = _flow(g, shape, g.op("Add", mean, chance), mask, speaker)
    _decode(g, shape, g.op("Mul", z, mask), speaker)
    return _model(g, shape), _config(shape)


def _encode_text(g: _Graph, shape: Shape) -> str:
    ids = g.op("Mul", g.op("Gather", g.weight(SYMBOLS, shape.hidden), "input"), g.constant(np.sqrt(shape.hidden)))
    # As the real one, it knows the lengths; with one utterance the mask is all ones.
    whole = g.op("Cast", g.op("Greater", "input_lengths", g.constant([0], np.int64)), to=TensorProto.FLOAT)
    x = g.op("Transpose", g.op("Mul", ids, whole), perm=[0, 2, 1])
    for _ in range(shape.layers):
        x = _normalised(g, g.op("Add", x, _attention(g, shape, x)), shape.hidden)
        inner = g.op("Relu", g.conv(x, shape.hidden, shape.filter, 3))
        x = _normalised(g, g.op("Add", x, g.conv(inner, shape.filter, shape.hidden, 3)), shape.hidden)
    return x


def _attention(g: _Graph, shape: Shape, x: str) -> str:
    size = shape.hidden // shape.heads
    split = g.constant([1, shape.heads, size, -1], np.int64)
    query, key, value = (g.op("Reshape", g.conv(x, shape.hidden, shape.hidden), split) for _ in range(3))
    scores = g.op("MatMul", g.op("Transpose", query, perm=[0, 1, 3, 2]), key)
    weights = g.op("Softmax", g.op("Div", scores, g.constant(np.sqrt(size))), axis=-1)
    heard = g.op("MatMul", value, g.op("Transpose", weights, perm=[0, 1, 3, 2]))
    joined = g.op("Reshape", heard, g.constant([1, shape.hidden, -1], np.int64))
    return g.conv(joined, shape.hidden, shape.hidden)


def _normalised(g: _Graph, x: str, channels: int) -> str:
    mean = g.op("ReduceMean", x, axes=[1])
    centred = g.op("Sub", x, mean)
    variance = g.op("ReduceMean", g.op("Mul", centred, centred), axes=[1])
    scaled = g.op("Div", centred, g.op("Sqrt", g.op("Add", variance, g.constant(1e-5))))
    return g.op("Mul", scaled, g.constant(np.ones((1, channels, 1))))


def _dilated(g: _Graph, x: str, channels: int) -> str:
    for dilation in (1, 3, 9):
        deep = g.op("Tanh", g.conv(x, channels, channels, 3, dilation, group=channels))
        x = g.op("Add", x, g.op("Tanh", g.conv(deep, channels, channels)))
    return x


def _durations(g: _Graph, shape: Shape, x: str, length: str, noise_w: str) -> str:
    """Return frames for each phoneme, [1, 1, T]; the predictor is computed, and counts for nothing."""
    deep = _dilated(g, g.conv(x, shape.hidden, shape.hidden), shape.hidden)
    guess = g.op("Mul", g.op("RandomNormalLike", g.slice(deep, 0, 1, 1)), noise_w)
    for _ in range(3):
        inner = _dilated(g, g.op("Add", g.conv(guess, 1, shape.hidden), deep), shape.hidden)
        guess = g.op("Tanh", g.conv(g.conv(inner, shape.hidden, 29), 29, 1))
    table = np.full((SYMBOLS, 1), FRAMES_A_PHONEME)
    table[0] = 1.0  # the pad between any two
    frames = g.op("Transpose", g.op("Gather", g.constant(table), "input"), perm=[0, 2, 1])
    unweighed = g.op("Mul", guess, g.constant(1e-6))
    return g.op("Ceil", g.op("Mul", g.op("Add", g.op("Sub", frames, g.constant(0.01)), unweighed), length))


def _path(g: _Graph, widths: str) -> tuple[str, str]:
    """Return which phoneme each frame belongs to, [1, F, T], and a mask of ones, [1, 1, F]."""
    ends = g.op("CumSum", widths, g.constant(2, np.int64))
    total = g.op("Cast", g.op("ReduceSum", widths, keepdims=0), to=TensorProto.INT64)
    frames = g.op("Range", g.constant(0, np.int64), total, g.constant(1, np.int64))
    at = g.op("Cast", g.op("Unsqueeze", frames, g.constant([0, 2], np.int64)), to=TensorProto.FLOAT)
    begun = g.op("Cast", g.op("Less", at, ends), to=TensorProto.FLOAT)
    not_over = g.op("Cast", g.op("Less", at, g.op("Sub", ends, widths)), to=TensorProto.FLOAT)
    mask = g.op("Cast", g.op("Less", at, g.op("ReduceSum", widths)), to=TensorProto.FLOAT)
    return g.op("Sub", begun, not_over), g.op("Transpose", mask, perm=[0, 2, 1])


def _flow(g: _Graph, shape: Shape, z: str, mask: str, speaker: str) -> str:
    half, hidden = shape.hidden // 2, shape.hidden
    for _ in range(shape.flows):
        first, second = g.slice(z, 0, half, 1), g.slice(z, half, hidden, 1)
        x = g.op("Mul", g.conv(first, half, hidden), mask)
        skipped = ""
        for layer in range(shape.flow_layers):
            wide = g.conv(x, hidden, 2 * hidden, 5)
            if speaker:
                wide = g.op("Add", wide, g.conv(speaker, shape.speaker_channels, 2 * hidden))
            gate = g.op("Sigmoid", g.slice(wide, hidden, 2 * hidden, 1))
            acts = g.op("Mul", g.op("Tanh", g.slice(wide, 0, hidden, 1)), gate)
            if layer < shape.flow_layers - 1:
                x = g.op("Mul", g.op("Add", x, g.conv(acts, hidden, hidden)), mask)
            skip = g.conv(acts, hidden, hidden)
            skipped = g.op("Add", skipped, skip) if skipped else skip
        shift = g.op("Mul", g.conv(skipped, hidden, half), mask)
        z = g.op("Concat", g.op("Sub", second, shift), first, axis=1)
    return z


def _decode(g: _Graph, shape: Shape, z: str, speaker: str) -> None:
    decoder = shape.decoder
    channels = decoder.channels
    x = g.conv(z, shape.hidden, channels, 7)
    if speaker:
        x = g.op("Add", x, g.conv(speaker, shape.speaker_channels, channels))
    for rate, kernel in zip(decoder.rates, decoder.kernels, strict=True):
        x = g.upsample(g.op("LeakyRelu", x, alpha=0.1), channels, channels // 2, kernel, rate)
        channels //= 2
        total = ""
        for size, dilations in zip(decoder.block_kernels, decoder.block_dilations, strict=True):
            block = _block(g, x, channels, size, dilations, decoder.has_second_convs)
            total = g.op("Add", total, block) if total else block
        x = g.op("Div", total, g.constant(len(decoder.block_kernels)))
    x = g.conv(g.op("LeakyRelu", x, alpha=0.01), channels, 1, 7)
    g.nodes.append(helper.make_node("Tanh", [x], ["output"], name="/dec/Tanh"))


def _block(g: _Graph, x: str, channels: int, kernel: int, dilations: tuple[int, ...], has_second: bool) -> str:
    for dilation in dilations:
        deep = g.conv(g.op("LeakyRelu", x, alpha=0.1), channels, channels, kernel, dilation)
        if has_second:
            deep = g.conv(g.op("LeakyRelu", deep, alpha=0.1), channels, channels, kernel)
        x = g.op("Add", x, deep)
    return x


def _model(g: _Graph, shape: Shape) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    inputs = [
        value("input", TensorProto.INT64, [1, "phonemes"]),
        value("input_lengths", TensorProto.INT64, [1]),
        value("scales", TensorProto.FLOAT, [3]),
    ]
    if shape.speakers > 1:
        inputs.append(value("sid", TensorProto.INT64, [1]))
    outputs = [value("output", TensorProto.FLOAT, [1, 1, "time"])]
    graph = helper.make_graph(g.nodes, "voice", inputs, outputs, g.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)


def _config(shape: Shape) -> dict[str, Any]:
    return {
        "audio": {"sample_rate": shape.rate_hz, "quality": "medium"},
        "espeak": {"voice": "en-us"},
        "language": {"code": "en_US", "family": "en", "region": "US", "name_english": "English"},
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "num_symbols": SYMBOLS,
        "num_speakers": shape.speakers,
        "speaker_id_map": {f"s{number}": number for number in range(shape.speakers)} if shape.speakers > 1 else {},
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
        "hop_length": shape.hop,
        "piper_version": "1.8.0",
    }


def write_voice(shape: Shape, folder: Path, name: str) -> Path:
    """Write `folder/name.onnx` and its configuration beside it, as Piper's own voices lie; return the model's path."""
    model, config = make_voice(shape)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    onnx.save(model, str(path))
    path.with_suffix(".onnx.json").write_text(json.dumps(config))
    return path


def main() -> None:
    """Write one voice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    print(write_voice(SHAPES[given.shape], given.folder, given.shape))


if __name__ == "__main__":
    main()
