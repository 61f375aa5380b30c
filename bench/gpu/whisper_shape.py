"""A Whisper of large-v3-turbo's shape with random weights, for faster-whisper: what it costs, without what it knows.

    python -m bench.gpu.whisper_shape large-v3-turbo FOLDER

Every matrix has the real size and is multiplied; encoder and attention are random. So that decoding ends where a
sentence would, what is said is scripted by position: the decoder's residual branches end in zeros, and the position at
each step is the embedding of the token to come. Twelve invented words, then the end, whatever was heard. The text is
the same each time, so successive decodes always agree, which real ones do not: figures are of a decode's cost, not of
how often one is needed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec
from faster_whisper.tokenizer import _LANGUAGE_CODES as LANGUAGES
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from bench.gpu.qwen_shape import words

Array = NDArray[np.float16]
AUDIO_POSITIONS = 1500
TEXT_POSITIONS = 448
TIMESTAMPS = 1501
BYTES = tuple(sorted(pre_tokenizers.ByteLevel.alphabet()))
SPACE = "\u0120"
"""What byte-level BPE writes for a space."""
_LOUD = 20.0
"""How much the position outweighs the token before."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a Whisper."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    mels: int
    vocabulary: int


SHAPES = {
    "large-v3-turbo": Shape(1280, 20, 32, 4, 128, 51_866),
    "tiny": Shape(256, 4, 1, 1, 80, 4_000),
}


class _Random:
    """Random arrays, drawn once and cut to size: to draw them all would take minutes.

    Each begins elsewhere: of equal matrices ctranslate2 would keep one, and the model would be an eighth of its size.
    """

    def __init__(self) -> None:
        self._pool = np.random.default_rng(0).standard_normal(1 << 24).astype(np.float16)
        self._drawn = 0

    def matrix(self, rows: int, *columns: int) -> Array:
        self._drawn += 1
        scale = np.float16(1 / np.sqrt(np.prod(columns)))
        return np.resize(self._pool[self._drawn * 7919 :], (rows, *columns)) * scale


def write(name: str, folder: Path) -> Path:
    """Write the folder of the shape `name`; return it."""
    shape = SHAPES[name]
    folder.mkdir(parents=True, exist_ok=True)
    tokens = _tokens(shape)
    spec = _filled(shape, tokens)
    spec.register_vocabulary(tokens)
    place = {token: number for number, token in enumerate(tokens)}
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [place[SPACE], place["<|endoftext|>"]]
    spec.config.lang_ids = [place[f"<|{code}|>"] for code in LANGUAGES]
    spec.config.alignment_heads = [[shape.decoder_layers - 1, 0], [shape.decoder_layers - 1, 1]]
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    _tokenizer(tokens).save(str(folder / "tokenizer.json"))
    features = {"feature_size": shape.mels, "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400}
    (folder / "preprocessor_config.json").write_text(json.dumps(features, indent=2))
    return folder


def _special() -> list[str]:
    """Return Whisper's special tokens, in its order."""
    tasks = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    names = ("endoftext", "startoftranscript", *LANGUAGES, *tasks)
    return [f"<|{name}|>" for name in names] + [f"<|{number * 0.02:.2f}|>" for number in range(TIMESTAMPS)]


def _tokens(shape: Shape) -> list[str]:
    """Return bytes, words, the empty token that tells ctranslate2 of many languages, and Whisper's special tokens."""
    special = _special()
    spoken = words(shape.vocabulary - len(special) - len(BYTES) - 1)
    return [*BYTES, *(SPACE + word for word in spoken), "", *special]


def _tokenizer(tokens: Sequence[str]) -> Tokenizer:
    vocabulary = {token: place for place, token in enumerate(tokens[: tokens.index("<|endoftext|>")])}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, normalized=False) for token in _special()])
    return made


def _filled(shape: Shape, tokens: Sequence[str]) -> WhisperSpec:
    random = _Random()
    spec = WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    width = shape.width
    spec.encoder.conv1.weight, spec.encoder.conv1.bias = random.matrix(width, shape.mels, 3), _zeros(width)
    spec.encoder.conv2.weight, spec.encoder.conv2.bias = random.matrix(width, width, 3), _zeros(width)
    spec.encoder.position_encodings.encodings = _sinusoids(AUDIO_POSITIONS, width)
    spec.decoder.embeddings.weight = spec.decoder.projection.weight = random.matrix(len(tokens), width)
    spec.decoder.position_encodings.encodings = _script(spec.decoder.embeddings.weight, tokens)
    for side, is_decoder in ((spec.encoder, False), (spec.decoder, True)):
        _norm(side.layer_norm, width)
        for layer in side.layer:
            _linear(layer.self_attention.linear[0], random.matrix(3 * width, width))
            _close(layer.self_attention, random.matrix(width, width), is_decoder)
            _norm(layer.self_attention.layer_norm, width)
            if is_decoder:
                _linear(layer.attention.linear[0], random.matrix(width, width))
                _linear(layer.attention.linear[1], random.matrix(2 * width, width))
                _close(layer.attention, random.matrix(width, width), is_decoder)
                _norm(layer.attention.layer_norm, width)
            _norm(layer.ffn.layer_norm, width)
            _linear(layer.ffn.linear_0, random.matrix(4 * width, width))
            _linear(layer.ffn.linear_1, random.matrix(width, 4 * width) * np.float16(not is_decoder))
    return spec


def _script(embeddings: Array, tokens: Sequence[str]) -> Array:
    """Return positions [448, width]: at each the embedding of the token that is to come next."""
    place = {token: number for number, token in enumerate(tokens)}
    opening = [place["<|en|>"], place["<|transcribe|>"], place["<|notimestamps|>"]]
    numbers = [*range(1, 10), 11, 12, 10]  # of words far apart; the one of number 10 ends a sentence
    said = [len(BYTES) + 97 * number for number in numbers]
    script = [*opening, *said]
    script += [place["<|endoftext|>"]] * (TEXT_POSITIONS - len(script))
    return embeddings[script] * np.float16(_LOUD)


def _sinusoids(count: int, width: int) -> Array:
    steps = np.exp(-np.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(count)[:, None] * steps[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float16)


def _close(attention: Any, weight: Array, is_decoder: bool) -> None:
    """Fill an attention's last layer: zeros in the decoder, whose attention then costs, and says nothing."""
    _linear(attention.linear[-1], weight * np.float16(not is_decoder))


def _linear(spec: Any, weight: Array) -> None:
    spec.weight, spec.bias = weight, _zeros(len(weight))


def _norm(spec: Any, width: int) -> None:
    spec.gamma, spec.beta = np.ones(width, np.float16), _zeros(width)


def _zeros(count: int) -> Array:
    return np.zeros(count, np.float16)


def main() -> None:
    """Write one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    print(write(given.shape, given.folder))


if __name__ == "__main__":
    main()
