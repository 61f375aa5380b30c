"""Folders that vLLM takes for Qwen3 models, all but the weights: it makes random ones (load_format="dummy").

    python -m bench.gpu.qwen_shape Qwen3-8B FOLDER

The sizes are those of the models' own config.json. The tokenizer is ours: one invented word a token, as many as Qwen
has, so that a prompt of a thousand words has a thousand tokens and a random reply can be spoken; the chat template is
ChatML.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

VOCABULARY = 151_936
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>", "</think>")
UNKNOWN = "<unk>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "num_attention_heads": 32,
    "head_dim": 128,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "initializer_range": 0.02,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "sliding_window": None,
    "max_position_embeddings": 40_960,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "bos_token_id": None,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "Qwen3-8B": _COMMON
    | {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_key_value_heads": 8,
        "max_window_layers": 36,
        "rope_theta": 1_000_000,
    },
    "Qwen3-30B-A3B": _COMMON
    | {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "moe_intermediate_size": 768,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "output_router_logits": False,
        "router_aux_loss_coef": 0.001,
        "num_hidden_layers": 48,
        "num_key_value_heads": 4,
        "max_window_layers": 48,
        "rope_theta": 10_000_000,
    },
}


def words(count: int) -> list[str]:
    """Return invented words of three syllables, all different; one in ten ends a sentence, one in ten a clause."""
    syllables = [first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u", "ay", "or")]
    spelt = ("".join(parts) for parts in itertools.product(syllables, repeat=3))
    ends = {0: ".", 5: ","}
    return [word + ends.get(place % 10, "") for place, word in enumerate(itertools.islice(spelt, count))]


def write(name: str, folder: Path) -> Path:
    """Write the folder of the shape `name`; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = [UNKNOWN, *words(VOCABULARY - 1 - len(SPECIAL)), *SPECIAL]
    ids = {token: place for place, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "unk_token": UNKNOWN,
            "model_max_length": _COMMON["max_position_embeddings"],
            "clean_up_tokenization_spaces": False,
            "chat_template": TEMPLATE,
        },
    )
    _write_json(folder / "config.json", CONFIGS[name] | {"eos_token_id": ids["<|im_end|>"]})
    _write_json(folder / "generation_config.json", {"eos_token_id": ids["<|im_end|>"], "pad_token_id": ids[SPECIAL[0]]})
    return folder


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def main() -> None:
    """Write one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=sorted(CONFIGS))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    print(write(given.shape, given.folder))


if __name__ == "__main__":
    main()
