"""A converted model with its tokenizer, and which beginnings of prompts it keeps computed."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

import ctranslate2

from services.common.errors import InvalidInput
from services.llm.engine import GenerationRequest
from services.llm.engines.chat.prompts import Prompts
from services.llm.settings import LlmSettings

_SAMPLED = 64
"""Tokens that are compared to see that a tokenizer is the model's own."""


@dataclass(frozen=True, slots=True)
class Split:
    """A prompt in the two parts that the library takes."""

    static: list[str]
    """What many prompts begin with, kept computed; may be empty."""
    rest: list[str]
    tokens: int
    """Of both parts."""
    opens_thinking: bool


class Loaded:
    """A model in memory. Raises InvalidInput where its files do not fit one another, or the device cannot run it."""

    def __init__(self, folder: Path, settings: LlmSettings) -> None:
        self.prompts = Prompts(folder)
        if not self.prompts.end_ids:
            raise InvalidInput(f"{folder} names no token that ends a message (eos_token in tokenizer_config.json)")
        _check_vocabulary(folder, self.prompts)
        try:
            self.generator = ctranslate2.Generator(
                str(folder),
                device=settings.ctranslate2_device,
                compute_type=settings.ctranslate2_compute_type,
                inter_threads=settings.ctranslate2_parallel,
                intra_threads=settings.ctranslate2_threads,
            )
        except (RuntimeError, ValueError) as error:
            raise InvalidInput(
                f"CTranslate2 cannot load {folder}: {error}; "
                "check PARLEY_LLM_CTRANSLATE2_DEVICE and PARLEY_LLM_CTRANSLATE2_COMPUTE_TYPE"
            ) from None
        self._max_kept = settings.ctranslate2_cached_prompts
        self._kept: set[tuple[int, ...]] = set()
        self._lock = threading.Lock()

    def split(self, request: GenerationRequest) -> Split:
        """Return the prompt of a request. Raises InvalidInput where the chat template refuses the conversation."""
        prompt = self.prompts.prompt(request)
        shared = self.kept_ids(request)
        begins_so = len(shared) < len(prompt.ids) and prompt.ids[: len(shared)] == shared
        place = len(shared) if begins_so else 0
        return Split(
            self.names(prompt.ids[:place]), self.names(prompt.ids[place:]), len(prompt.ids), prompt.opens_thinking
        )

    def kept_ids(self, request: GenerationRequest) -> list[int]:
        """Return what the agent's prompts begin with if it is kept, or can be from now on; otherwise nothing."""
        ids = self.prompts.system_ids(request)
        with self._lock:
            if tuple(ids) not in self._kept:
                if not ids or len(self._kept) >= self._max_kept:
                    return []
                self._kept.add(tuple(ids))
        return ids

    def names(self, ids: list[int]) -> list[str]:
        """Return tokens as the library takes them: by their text in the vocabulary."""
        return [self.prompts.tokenizer.id_to_token(token) or "" for token in ids]


def _check_vocabulary(folder: Path, prompts: Prompts) -> None:
    """Raise InvalidInput for a tokenizer that is another model's: it would make the model hear and speak noise."""
    path = folder / "vocabulary.json"
    if not path.is_file():
        return
    vocabulary = json.loads(path.read_text(encoding="utf-8"))
    size = min(len(vocabulary), prompts.tokenizer.get_vocab_size())
    sampled = {*range(0, size, max(1, size // _SAMPLED)), *(token for token in prompts.end_ids if token < size)}
    if any(vocabulary[token] != prompts.tokenizer.id_to_token(token) for token in sampled):
        raise InvalidInput(f"{folder}: tokenizer.json is not the one that the model was converted with")
