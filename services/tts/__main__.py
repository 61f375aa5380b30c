"""`python -m services.tts`: serve until SIGTERM."""

from __future__ import annotations

from services.common.server import run
from services.tts.servicer import TtsService
from services.tts.settings import TtsSettings


def main() -> None:
    """Run the service as this process."""
    settings = TtsSettings()
    run(TtsService(settings), settings)


if __name__ == "__main__":
    main()
