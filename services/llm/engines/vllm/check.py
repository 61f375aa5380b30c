"""Compare the vLLM that is installed here with what the engine counts on: `python -m services.llm.engines.vllm.check`.

To be run where an image is built or a GPU is at hand: it needs vLLM to import, but no GPU.
"""

from __future__ import annotations

import sys
from pathlib import Path

from services.llm.engines.vllm.arguments import engine_arguments
from services.llm.engines.vllm.signatures import differences
from services.llm.settings import LlmSettings


def main() -> int:
    """Print what differs; return 0 where nothing does."""
    told = differences([*engine_arguments(LlmSettings(), Path()), "structured_outputs_config"])
    print("\n".join(told) or "vllm is as the engine expects it")  # noqa: T201 - a command for people
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
