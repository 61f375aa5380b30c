"""Runs the turn service: `python -m services.turn`."""

from services.common.server import run
from services.turn.servicer import TurnService
from services.turn.settings import TurnSettings

if __name__ == "__main__":
    settings = TurnSettings()
    run(TurnService(settings), settings)
