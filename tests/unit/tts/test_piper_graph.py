# ruff: noqa: RUF001 (IPA is made of look-alikes)
from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bench.gpu.piper_shape import SHAPES, Shape, make_voice
from services.common.onnx_sessions import SessionNeeds, open_session
from services.tts.engines.piper_graph import NotSplittable, cut, latents, read_graph
from services.tts.engines.piper_voice import PhonemeIds, to_ids

pytestmark = pytest.mark.unit

IDS = [1, 0, *([59, 0] * 12), 2]
FEEDS = {
    "input": np.array([IDS], np.int64),
    "input_lengths": np.array([len(IDS)], np.int64),
    "scales": np.array([0, 1, 0], np.float32),
}
SPEAKER = {"sid": np.array([2], np.int64)}


@pytest.fixture(scope="module")
def model() -> bytes:
    made, _ = make_voice(SHAPES["tiny"])
    return bytes(made.SerializeToString())


def test_a_voice_in_two_says_what_it_says_in_one(model: bytes) -> None:
    graph = read_graph(model)
    latent = latents(graph)[0]
    encoder = open_session(cut(graph, [latent, graph.duration]), SessionNeeds())
    decoder = open_session(cut(graph, [graph.audio], latent), SessionNeeds())
    made, frames = encoder.run(None, FEEDS | SPEAKER)
    assert [given.name for given in decoder.get_inputs()] == ["sid", latent], "nothing of the text but the latent"
    assert made.shape == (1, SHAPES["tiny"].hidden, int(frames.sum()))
    (whole,) = open_session(model, SessionNeeds()).run(None, FEEDS | SPEAKER)
    (audio,) = decoder.run(None, {latent: made} | SPEAKER)
    assert whole.std() > 0.01
    np.testing.assert_allclose(audio, whole, atol=1e-5)


def test_the_speaker_reaches_both_halves(model: bytes) -> None:
    graph = read_graph(model)
    decoder = open_session(cut(graph, [graph.audio], latents(graph)[0]), SessionNeeds())
    made = np.random.default_rng(0).standard_normal((1, SHAPES["tiny"].hidden, 20)).astype(np.float32)
    voices = [decoder.run(None, {latents(graph)[0]: made, "sid": np.array([number])})[0] for number in range(2)]
    assert np.abs(voices[0] - voices[1]).max() > 0.01


def test_a_voice_whole_can_tell_its_durations_too(model: bytes) -> None:
    graph = read_graph(model)
    audio, frames = open_session(cut(graph, [graph.audio, graph.duration]), SessionNeeds()).run(None, FEEDS | SPEAKER)
    assert frames.size == len(IDS)
    assert audio.size == int(frames.sum()) * SHAPES["tiny"].hop


def test_each_half_is_a_valid_model(model: bytes) -> None:
    graph = read_graph(model)
    decoder = onnx.load_from_string(cut(graph, [graph.audio], latents(graph)[0]))
    onnx.checker.check_model(decoder)
    assert {node.op_type for node in decoder.graph.node} <= {
        *("Conv", "ConvTranspose", "LeakyRelu", "Add", "Div", "Tanh", "Gather", "Unsqueeze")
    }


def graph_of(*nodes: onnx.NodeProto, output: str) -> bytes:
    given = [
        helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, "n"]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [1]),
    ]
    made = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    weights = [helper.make_tensor("kernel", TensorProto.FLOAT, [1, 1, 2], [0.5, 0.5])]
    graph = helper.make_graph(list(nodes), "g", given, made, weights)
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return bytes(model.SerializeToString())


def test_a_text_that_goes_around_the_decoders_input_is_no_cut() -> None:
    node = helper.make_node
    model = graph_of(
        node("Ceil", ["input"], ["timed"]),
        node("Mul", ["timed", "scales"], ["z"]),
        node("ConvTranspose", ["z", "kernel"], ["sound"]),
        node("Mul", ["sound", "scales"], ["output"]),
        output="output",
    )
    with pytest.raises(NotSplittable):
        latents(read_graph(model))
    with pytest.raises(NotSplittable, match="another way"):
        cut(read_graph(model), ["output"], "z")


def test_what_a_subgraph_takes_from_outside_counts() -> None:
    node = helper.make_node
    branch = helper.make_graph(
        [node("Mul", ["sound", "scales"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )
    model = graph_of(
        node("Ceil", ["input"], ["timed"]),
        node("Mul", ["timed", "scales"], ["z"]),
        node("ConvTranspose", ["z", "kernel"], ["sound"]),
        node("If", ["always"], ["output"], then_branch=branch, else_branch=branch),
        output="output",
    )
    with pytest.raises(NotSplittable, match="another way"):
        cut(read_graph(model), ["output"], "z")


@pytest.mark.parametrize("model", [b"", b"rubbish", bytes(range(256)), b"\x3a\x7f\x00"])
def test_what_is_no_model_is_told(model: bytes) -> None:
    with pytest.raises(NotSplittable):
        latents(read_graph(model))


def test_reading_a_voice_needs_no_onnx_package() -> None:
    source = Path("services/tts/engines/piper_graph.py")
    text = (Path(__file__).parents[3] / source).read_text()
    assert "import onnx" not in text


def test_phonemes_become_ids_as_in_piper() -> None:
    from piper.config import PiperConfig
    from piper.phoneme_ids import phonemes_to_ids

    _, settings = make_voice(Shape(SHAPES["tiny"].decoder, hidden=8, filter=8, layers=1, flows=1, flow_layers=1))
    config = PiperConfig.from_dict(settings)
    sentence = ["h", "ə", "l", "ˈ", "oʊ", ",", " ", "?"]
    made = to_ids(sentence, config)
    assert list(made.ids) == phonemes_to_ids(sentence, config.phoneme_id_map)
    assert [made.ids[at] for at in made.starts[:-1]] == [config.phoneme_id_map[phoneme][0] for phoneme in sentence]
    assert made.ids[made.starts[-1]] == config.phoneme_id_map["$"][0]
    skipped = to_ids(["h", "☃", "ə"], config)
    assert skipped == PhonemeIds(to_ids(["h", "ə"], config).ids, (2, 4, 4, 6))
