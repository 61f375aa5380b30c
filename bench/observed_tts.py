"""The synthesis service, observed: see bench/observed.py."""

from bench.observed import run
from services.tts.servicer import TtsService
from services.tts.settings import TtsSettings

if __name__ == "__main__":
    run(TtsService, TtsSettings, lambda service: int(service.engine.running))  # type: ignore[attr-defined]
