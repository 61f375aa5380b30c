"""The tiny models that `make test-models` makes, for the tests of the real engines."""

from __future__ import annotations

from pathlib import Path

MODELS_DIR = Path(__file__).resolve().parents[2] / ".models" / "test"
"""For a service's `models_dir`; the names below are then the models'."""
WHISPER_WORDS = "whisper-words"
LLAMA_TINY = "llama-tiny"
PIPER_TINY = "piper-tiny"


def model_folder(name: str) -> Path:
    """Return the folder of a test model."""
    folder = MODELS_DIR / name
    assert (folder / "made.json").is_file(), f"no test model in {folder}: run `make test-models`"
    return folder
