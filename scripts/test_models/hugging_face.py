"""Writes llama-tiny as Hugging Face's libraries and vLLM load it: python -m scripts.test_models.hugging_face FOLDER.

What ctranslate2's file holds is read back, so that nothing is trained again. vLLM computes no heads of width 16: they
are laid into such of 32, with zeros between, so that the same logits come out.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import struct
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from tokenizers import Tokenizer

from scripts.setup_env import ROOT

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Weights: TypeAlias = dict[str, Array]

TINY = ROOT / ".models" / "test" / "llama-tiny"
HEADS, KEY_HEADS = 4, 2
NARROW, WIDE = 16, 32
_FLOAT32 = 0
"""ctranslate2's number of the type."""
_COPIED = ("tokenizer.json", "tokenizer_config.json")


def write(folder: Path, source: Path = TINY, longest: int = 32_768) -> None:
    """Write the model of `source` into `folder`; it says of itself that it takes up to `longest` tokens."""
    weights = llama_weights(read_weights(source / "model.bin"))
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", weights)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    end = tokenizer.token_to_id(json.loads((source / "tokenizer_config.json").read_text())["eos_token"])
    if end is None:
        raise ValueError(f"the tokenizer in {source} has no token that ends a message")
    (folder / "config.json").write_text(json.dumps(config(weights, end, longest), indent=2))
    for name in _COPIED:
        shutil.copy(source / name, folder / name)


def read_weights(path: Path) -> Weights:
    """Return the float32 matrices and vectors of one of ctranslate2's model files."""
    data, place = path.read_bytes(), 0

    def take(form: str) -> int:
        nonlocal place
        (value,) = struct.unpack_from(f"<{form}", data, place)
        place += struct.calcsize(form)
        return int(value)

    def text() -> str:
        nonlocal place
        length = take("H")
        place += length
        return data[place - length : place - 1].decode()

    take("I"), text(), take("I")  # the file's version, the name of the specification, its revision
    found: Weights = {}
    for _ in range(take("I")):
        name = text()
        shape = tuple(take("I") for _ in range(take("B")))
        kind, size = take("B"), take("I")
        if kind == _FLOAT32 and shape:
            found[name] = np.frombuffer(data, np.float32, size // 4, place).reshape(shape)
        place += size
    return found


def llama_weights(weights: Weights) -> Weights:
    """Return the same by the names that Hugging Face gives a Llama."""
    made = {
        "model.embed_tokens.weight": weights["decoder/embeddings/weight"],
        "model.norm.weight": weights["decoder/layer_norm/gamma"],
        "lm_head.weight": weights["decoder/projection/weight"],
    }
    layers = sum(name.endswith("/self_attention/linear_0/weight") for name in weights)
    for number in range(layers):
        own, to = f"decoder/layer_{number}", f"model.layers.{number}"
        bounds = (HEADS * NARROW, (HEADS + KEY_HEADS) * NARROW)
        queries, keys, values = np.split(weights[f"{own}/self_attention/linear_0/weight"], bounds)
        # Scores are divided by the root of the width: what the wider one takes away is put into the queries.
        made[f"{to}.self_attn.q_proj.weight"] = widened(queries, HEADS) * np.float32(math.sqrt(WIDE / NARROW))
        made[f"{to}.self_attn.k_proj.weight"] = widened(keys, KEY_HEADS)
        made[f"{to}.self_attn.v_proj.weight"] = widened(values, KEY_HEADS)
        made[f"{to}.self_attn.o_proj.weight"] = widened(weights[f"{own}/self_attention/linear_1/weight"].T, HEADS).T
        made[f"{to}.input_layernorm.weight"] = weights[f"{own}/self_attention/layer_norm/gamma"]
        made[f"{to}.post_attention_layernorm.weight"] = weights[f"{own}/ffn/layer_norm/gamma"]
        made[f"{to}.mlp.gate_proj.weight"] = weights[f"{own}/ffn/linear_0/weight"]
        made[f"{to}.mlp.up_proj.weight"] = weights[f"{own}/ffn/linear_0_noact/weight"]
        made[f"{to}.mlp.down_proj.weight"] = weights[f"{own}/ffn/linear_1/weight"]
    return made


def widened(rows: Array, heads: int) -> Array:
    """Lay each head's rows into a head of twice the width, every other row, so that each turns as fast as before."""
    wide = np.zeros((heads, WIDE, rows.shape[1]), np.float32)
    wide[:, :: WIDE // NARROW] = rows.reshape(heads, NARROW, -1)
    return wide.reshape(heads * WIDE, -1)


def config(weights: Weights, end: int, longest: int) -> dict[str, object]:
    """Return the model's config.json."""
    vocabulary, width = weights["model.embed_tokens.weight"].shape
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": weights["model.layers.0.mlp.up_proj.weight"].shape[0],
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS,
        "head_dim": WIDE,
        "num_hidden_layers": sum(name.endswith(".mlp.up_proj.weight") for name in weights),
        "vocab_size": vocabulary,
        "max_position_embeddings": longest,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "eos_token_id": end,
        "torch_dtype": "float32",
    }


def write_safetensors(path: Path, weights: Weights) -> None:
    """Write float32 weights as the safetensors format has them: a length, a header in JSON, the bytes."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, weight in weights.items():
        header[name] = {"dtype": "F32", "shape": weight.shape, "data_offsets": [place, place + weight.nbytes]}
        place += weight.nbytes
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for weight in weights.values():
            file.write(np.ascontiguousarray(weight).tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts.test_models.hugging_face", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the model goes")
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
