"""Makes piper-tiny: an ONNX graph by hand, with the inputs and outputs of a Piper voice.

Each phoneme becomes a tone of its own pitch for a number of frames; there is nothing random, so that the two noise
scales do nothing. One voice has two speakers and gives its alignment, as piper.patch_voice_with_alignment patches real
ones; the plain voice has one speaker and gives none. A batch is one phrase, as piper-tts calls it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

from scripts.setup_env import Progress
from scripts.test_models.piper_tiny import sounds

OPSET = 17
IR_VERSION = 10
ALIGNMENT = "w_ceil"
"""The tensor of frames by phoneme id; piper finds it as the output of the graph's only Ceil."""


class _Graph:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any, dtype: type[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output


def make(folder: Path, progress: Progress) -> dict[str, object]:
    """Write both voices and their settings into `folder`."""
    progress.show("piper-tiny: two voices of tones")
    for name, speakers, alignment in (("piper-tiny", 2, True), ("piper-tiny-plain", 1, False)):
        onnx.save(_model(with_speakers=speakers > 1, with_alignment=alignment), str(folder / f"{name}.onnx"))
        (folder / f"{name}.onnx.json").write_text(json.dumps(_settings(name, speakers), ensure_ascii=False, indent=2))
    return {}


def _model(*, with_speakers: bool, with_alignment: bool) -> Any:
    graph = _Graph()
    ids = _phonemes(graph)
    frame_ids = _frame_ids(graph, ids)
    _sound(graph, frame_ids, with_speakers=with_speakers)
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, ["batch_size", "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, ["batch_size"]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch_size", 1, 1, "time"])]
    if with_speakers:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, ["batch_size"]))
    if with_alignment:
        outputs.append(helper.make_tensor_value_info(ALIGNMENT, TensorProto.FLOAT, ["batch_size", 1, "phonemes"]))
    made = helper.make_graph(graph.nodes, "piper-tiny", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def _phonemes(graph: _Graph) -> str:
    """Add the ids of the phrase, [phonemes], cut at `input_lengths`."""
    flat = graph.node("Reshape", ["input", graph.constant("flat", [-1], np.int64)], "all_ids")
    return graph.node("Slice", [flat, graph.constant("zero", [0], np.int64), "input_lengths"], "ids")


def _frame_ids(graph: _Graph, ids: str) -> str:
    """Add the phoneme id that sounds in each frame, [frames]."""
    table = graph.constant("frames_by_id", sounds.frames(), np.float32)
    length_scale = graph.node("Slice", ["scales", graph.constant("one", [1], np.int64),
                                        graph.constant("two", [2], np.int64)], "length_scale")  # fmt: skip
    scaled = graph.node("Mul", [graph.node("Gather", [table, ids], "frames"), length_scale], "scaled")
    shaped = graph.node("Reshape", [scaled, graph.constant("row", [1, 1, -1], np.int64)], "w")
    widths = graph.node("Reshape", [graph.node("Ceil", [shaped], ALIGNMENT), "flat"], "widths")
    ends = graph.node("CumSum", [widths, graph.constant("axis", 0, np.int64)], "ends")
    total = graph.node("ReduceSum", [widths], "total", keepdims=0)
    steps = graph.node("Range", [graph.constant("from", 0, np.float32), total,
                                 graph.constant("by", 1, np.float32)], "steps")  # fmt: skip
    # A frame belongs to the phoneme whose number is that of the phonemes that ended before it.
    past = graph.node("GreaterOrEqual", [graph.node("Unsqueeze", [steps, "one"], "column"), ends], "past")
    counted = graph.node("ReduceSum", [graph.node("Cast", [past], "past_float", to=TensorProto.FLOAT), "one"],
                         "counted", keepdims=0)  # fmt: skip
    places = graph.node("Cast", [counted], "places", to=TensorProto.INT64)
    return graph.node("Gather", [ids, places], "frame_ids")


def _sound(graph: _Graph, frame_ids: str, *, with_speakers: bool) -> str:
    """Add the tone of each frame, [1, 1, 1, samples], its phase going on from the frame before."""
    radians = [2 * math.pi * sounds.pitch_hz(place) / sounds.SAMPLE_RATE_HZ for place in range(sounds.SYMBOLS)]
    step = graph.node("Gather", [graph.constant("radians_by_id", radians, np.float32), frame_ids], "base_step")
    if with_speakers:
        sid = graph.node("Cast", ["sid"], "speaker", to=TensorProto.FLOAT)
        ratio = sounds.pitch_hz(0, 1) / sounds.pitch_hz(0) - 1
        higher = graph.node("Mul", [sid, graph.constant("ratio", ratio, np.float32)], "higher")
        factor = graph.node("Add", [higher, graph.constant("unit", 1, np.float32)], "factor")
        step = graph.node("Mul", [step, factor], "step")
    advance = graph.node("Mul", [step, graph.constant("hop", sounds.HOP, np.float32)], "advance")
    began = graph.node("CumSum", [advance, "axis"], "began", exclusive=1)
    within = graph.constant("within", np.arange(sounds.HOP)[None, :], np.float32)
    turned = graph.node("Mul", [graph.node("Unsqueeze", [step, "one"], "step_column"), within], "turned")
    phase = graph.node("Add", [graph.node("Unsqueeze", [began, "one"], "began_column"), turned], "phase")
    levels = graph.constant("loudness_by_id", sounds.loudness(), np.float32)
    level = graph.node("Unsqueeze", [graph.node("Gather", [levels, frame_ids], "level"), "one"], "level_column")
    waves = graph.node("Mul", [graph.node("Sin", [phase], "sine"), level], "waves")
    return graph.node("Reshape", [waves, graph.constant("signal", [1, 1, 1, -1], np.int64)], "output")


def _settings(name: str, speakers: int) -> dict[str, object]:
    """Return the settings of a voice, of the shape of those that piper-tts writes."""
    english = {"code": "en_US", "family": "en", "region": "US", "name_native": "English", "name_english": "English"}
    return {
        "audio": {"sample_rate": sounds.SAMPLE_RATE_HZ, "quality": "x_low"},
        "espeak": {"voice": "en-us"},
        "language": {**english, "country_english": "United States"},
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_map": {},
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
        "num_symbols": sounds.SYMBOLS,
        "num_speakers": speakers,
        "speaker_id_map": {"low": 0, "high": 1} if speakers > 1 else {},
        "hop_length": sounds.HOP,
        "piper_version": "1.0.0",
        "dataset": name,
    }
