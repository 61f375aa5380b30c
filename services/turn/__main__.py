"""Serve turn detection until SIGTERM: `python -m services.turn`."""

import services.common.grpc_io  # noqa: F401 - before gRPC
from services.common.server import main
from services.turn.servicer import TurnService
from services.turn.settings import TurnSettings

if __name__ == "__main__":
    main(TurnService, TurnSettings)
