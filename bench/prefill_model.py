"""The model that `bench/prefill.py` asks: Qwen3's build, 42 million weights that vLLM makes (load_format="dummy")."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from bench.gpu import qwen_shape

WORDS = 4_000
LONGEST = 8_192
SHAPE: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 12,
    "max_window_layers": 12,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "max_position_embeddings": LONGEST,
}


def known_words() -> list[str]:
    """Return the words that are one token each."""
    return qwen_shape.words(WORDS)


def write_model(folder: Path) -> Path:
    """Write the folder of a small Qwen3, all but the weights, which vLLM makes; return it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    vocabulary = [qwen_shape.UNKNOWN, *known_words(), *qwen_shape.SPECIAL]
    ids = {token: place for place, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=qwen_shape.UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in qwen_shape.SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    ends = {"eos_token": "<|im_end|>", "unk_token": qwen_shape.UNKNOWN, "chat_template": qwen_shape.TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **ends}))
    own = {"vocab_size": len(vocabulary), "eos_token_id": ids["<|im_end|>"], **SHAPE}
    (folder / "config.json").write_text(json.dumps(qwen_shape.CONFIGS["Qwen3-8B"] | own, indent=2))
    return folder
