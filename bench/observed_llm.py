"""The language model service, observed: see bench/observed.py."""

from bench.observed import run
from services.llm.servicer import LlmService
from services.llm.settings import LlmSettings

if __name__ == "__main__":
    run(LlmService, LlmSettings, lambda service: int(service.running))  # type: ignore[attr-defined]
