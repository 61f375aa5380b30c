"""Voices that the piper engine is tested with: tones that `make test-models` makes, and noise of the real shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bench.gpu.piper_shape import SHAPES, write_voice

PIPER_TINY: Final[dict[str, Any]] = {
    "models_dir": Path(".models/test"),
    "piper_voices": ("piper-tiny",),
    "piper_device": "cpu",
}
"""A tone for each phoneme, decoded whole; two speakers."""


def shaped_voice(folder: Path) -> dict[str, Any]:
    """Return the settings of a voice with a decoder as real ones have it, random and tiny; three speakers."""
    write_voice(SHAPES["tiny"], folder / "shaped", "shaped")
    return {"models_dir": folder, "piper_voices": ("shaped",), "piper_device": "cpu"}
