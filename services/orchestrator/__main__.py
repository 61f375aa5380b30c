"""Run the orchestrator: `python -m services.orchestrator`."""

from services.common.server import run
from services.orchestrator.servicer import OrchestratorService
from services.orchestrator.settings import OrchestratorSettings

if __name__ == "__main__":
    settings = OrchestratorSettings()
    run(OrchestratorService(settings), settings)
