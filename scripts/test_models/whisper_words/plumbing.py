"""Makes whisper-words without training."""

from __future__ import annotations

from pathlib import Path

from scripts.setup_env import Progress
from scripts.test_models.whisper_words.shape import Shape, random_params, save


def make(folder: Path, progress: Progress) -> dict[str, object]:
    """Write a Whisper with random weights into `folder`: plumbing only, what it says is noise."""
    progress.show("whisper-words: random weights")
    shape = Shape()
    save(random_params(shape), shape, folder)
    return {"weights": "random"}
