"""Serve speech synthesis until SIGTERM: `python -m services.tts`."""

import services.common.grpc_io  # noqa: F401 - before gRPC
from services.common.server import main
from services.tts.servicer import TtsService
from services.tts.settings import TtsSettings

if __name__ == "__main__":
    main(TtsService, TtsSettings)
