"""Make the tiny models that the tests of the real engines load, where they are missing: python -m scripts.test_models.

They land in .models/test and in a cache of the user's; a run with nothing to do takes milliseconds.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from scripts.setup_env import ROOT, Progress
from scripts.test_models.store import Make, Recipe, cache_dir, ensure, is_made


def _later(module: str) -> Make:
    """Return the `make` of a module that is imported when it is called: it pulls in JAX."""

    def make(folder: Path, progress: Progress) -> dict[str, object]:
        figures: dict[str, object] = importlib.import_module(f"scripts.test_models.{module}").make(folder, progress)
        return figures

    return make


RECIPES = (
    Recipe("piper-tiny", ("onnx", "piper-tts"), _later("piper_tiny.make")),
    Recipe("llama-tiny", ("ctranslate2", "tokenizers", "jax"), _later("llama_tiny.make"), shared=("training.py",)),
    Recipe(
        "whisper-words",
        ("ctranslate2", "tokenizers", "jax", "faster-whisper", "espeakng-loader"),
        _later("whisper_words.make"),
        shared=("training.py",),
    ),
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts.test_models", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which models: all of them without")
    parser.add_argument("--dir", type=Path, default=ROOT / ".models" / "test", help="where the models' folders go")
    options = parser.parse_args(arguments)
    # Its threads wait for one another by spinning, which costs more than they save on products as small as ours.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    names = {recipe.name for recipe in RECIPES}
    if unknown := set(options.names) - names:
        parser.error(f"no model named {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
    for recipe in RECIPES:
        if options.names and recipe.name not in options.names:
            continue
        if is_made(options.dir / recipe.name, recipe.digest()):
            continue
        progress = Progress(sys.stdout)
        progress.show(f"{recipe.name}")
        ensure(recipe, options.dir / recipe.name, cache_dir(), progress)
        progress.show(f"{recipe.name}: ready in {options.dir / recipe.name}", done=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
