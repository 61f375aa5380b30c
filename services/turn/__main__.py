"""Serve turn detection until SIGTERM: `python -m services.turn`."""

from services.common.server import main
from services.turn.servicer import TurnService
from services.turn.settings import TurnSettings

if __name__ == "__main__":
    main(TurnService, TurnSettings)
