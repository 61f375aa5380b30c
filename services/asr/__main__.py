"""Serve speech recognition until SIGTERM: `python -m services.asr`."""

import services.common.grpc_io  # noqa: F401 - before gRPC
from services.asr.servicer import AsrService
from services.asr.settings import AsrSettings
from services.common.server import main

if __name__ == "__main__":
    main(AsrService, AsrSettings)
