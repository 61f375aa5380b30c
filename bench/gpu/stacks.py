"""What the services run with: the engines of the GPU stages on models of the real sizes, or on the tiny test models."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.gpu import piper_shape, qwen_shape, whisper_shape
from bench.gpu.elsewhere import interpreter
from bench.stack import FAKES, OUT, ROOT, Stack, running
from parley.launcher import STAGES
from parley.models.folder import RECORD

START_DEADLINE_S = 900.0
"""vLLM compiles kernels at its first start."""
MADE = OUT / "gpu" / "models"
TEST_MODELS = ROOT / ".models" / "test"


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's folder, and what a reader must know about it."""

    path: Path
    said: str
    is_made: bool = True
    """Whether its weights are random."""


@dataclass(frozen=True, slots=True)
class Kit:
    """Which engines run, on which models."""

    is_tiny: bool
    models_dir: Path
    """Where fetched models lie; one that is there is preferred to a made one."""

    def environment(
        self, stages: Collection[str], *, llm: str = "Qwen3-8B", shares_gpu: bool = False
    ) -> dict[str, str]:
        """Return the settings of a stack in which `stages` are real and the others fakes.

        `shares_gpu`: whether all models lie on one GPU, and vLLM therefore takes less of it.
        """
        real: dict[str, Callable[[], dict[str, str]]] = {
            "asr": self._asr,
            "tts": self._tts,
            "turn": lambda: {"PARLEY_TURN_ENGINE": "silero-smart-turn"},
            "llm": partial(self._llm, llm, 0.6 if shares_gpu else 0.85),
        }
        return FAKES | {name: value for stage in stages for name, value in real[stage]().items()}

    def described(self) -> dict[str, str]:
        """Return what is loaded, by stage."""
        names = ("Qwen3-8B",) if self.is_tiny else tuple(qwen_shape.CONFIGS)
        return {"asr": self._whisper().said, "tts": self._voice().said} | {
            f"llm {name}": self._language_model(name).said for name in names
        }

    def _asr(self) -> dict[str, str]:
        return {
            "PARLEY_ASR_ENGINE": "faster-whisper",
            "PARLEY_ASR_FASTER_WHISPER_MODEL": str(self._whisper().path),
            "PARLEY_ASR_FASTER_WHISPER_DEVICE": "cpu" if self.is_tiny else "cuda",
            "PARLEY_ASR_FASTER_WHISPER_MAX_STREAMS": "128",  # twice what is measured: streams end while others begin
        }

    def _tts(self) -> dict[str, str]:
        voice = self._voice()
        return {
            "PARLEY_TTS_ENGINE": "piper",
            "PARLEY_TTS_MODELS_DIR": str(voice.path.parent),
            "PARLEY_TTS_PIPER_VOICES": json.dumps([voice.path.name]),
            "PARLEY_TTS_PIPER_DEVICE": "cpu" if self.is_tiny else "cuda",
            "PARLEY_TTS_VOICE_ALIASES": json.dumps({"*": ""}),
        }

    def _llm(self, name: str, share: float) -> dict[str, str]:
        model = self._language_model(name)
        if self.is_tiny:
            return {
                "PARLEY_LLM_ENGINE": "ctranslate2",
                "PARLEY_LLM_CTRANSLATE2_MODEL": str(model.path),
                "PARLEY_LLM_MODEL_ALIASES": json.dumps({"*": ""}),
            }
        return {
            "PARLEY_LLM_ENGINE": "vllm",
            "PARLEY_LLM_VLLM_MODEL": str(model.path),
            "PARLEY_LLM_VLLM_GPU_MEMORY_UTILIZATION": str(share),
            "PARLEY_LLM_VLLM_EXTRA_ARGS": json.dumps({"load_format": "dummy"} if model.is_made else {}),
            "PARLEY_LLM_MODEL_ALIASES": json.dumps({"*": ""}),
        }

    def _whisper(self) -> Weights:
        if self.is_tiny:
            return Weights(TEST_MODELS / "whisper-words", "whisper-words, a test model, on the CPU")
        return self._fetched("faster-whisper-large-v3-turbo") or Weights(
            _made("whisper-large-v3-turbo", lambda folder: whisper_shape.write("large-v3-turbo", folder)),
            "Whisper large-v3-turbo's shape, random weights, scripted words",
        )

    def _voice(self) -> Weights:
        if self.is_tiny:
            return Weights(TEST_MODELS / "piper-tiny", "piper-tiny, a test model, on the CPU")
        return self._fetched("en_US-ljspeech-high") or Weights(
            _made(
                "piper-high", lambda folder: piper_shape.write_voice(piper_shape.SHAPES["high"], folder, "piper-high")
            ),
            "a Piper voice of the high shape, random weights",
        )

    def _language_model(self, name: str) -> Weights:
        if self.is_tiny:
            return Weights(TEST_MODELS / "llama-tiny", "llama-tiny by ctranslate2 instead of vLLM, on the CPU")
        fetched = {"Qwen3-8B": "Qwen3-8B", "Qwen3-30B-A3B": "Qwen3-30B-A3B-Instruct-2507"}[name]
        return self._fetched(fetched) or Weights(
            _made(name, lambda folder: qwen_shape.write(name, folder)),
            f"{name}'s shape, random weights, our own tokenizer",
        )

    def _fetched(self, name: str) -> Weights | None:
        folder = self.models_dir / name
        return Weights(folder, f"{name}, as fetched", is_made=False) if (folder / RECORD).is_file() else None


@asynccontextmanager
async def stack(name: str, environment: dict[str, str]) -> AsyncIterator[Stack]:
    """Start the five services with these settings, each in its own interpreter where one is named for it."""
    modules = {stage: "bench.gpu.elsewhere" for stage in STAGES if interpreter(stage)}
    async with running(f"gpu/{name}", environment, modules, start_deadline_s=START_DEADLINE_S) as started:
        yield started


def _made(name: str, write: Callable[[Path], object]) -> Path:
    """Return the folder of a made model, writing it where it is not there whole."""
    folder = MADE / name
    if not folder.is_dir():
        fresh = folder.with_name(f"{name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        write(fresh)
        fresh.rename(folder)
    return folder
