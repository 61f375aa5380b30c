"""Serve the orchestrator until SIGTERM: `python -m services.orchestrator`."""

import services.common.grpc_io  # noqa: F401 - before gRPC
from services.common.server import main
from services.orchestrator.servicer import OrchestratorService
from services.orchestrator.settings import OrchestratorSettings

if __name__ == "__main__":
    main(OrchestratorService, OrchestratorSettings)
