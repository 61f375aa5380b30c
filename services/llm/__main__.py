"""Serve the language model until SIGTERM: `python -m services.llm`."""

import services.common.grpc_io  # noqa: F401 - before gRPC
from services.common.server import main
from services.llm.servicer import LlmService
from services.llm.settings import LlmSettings

if __name__ == "__main__":
    main(LlmService, LlmSettings)
