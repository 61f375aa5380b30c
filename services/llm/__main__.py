"""`python -m services.llm`: serve the language model stage until SIGTERM."""

from services.common.server import run
from services.llm.servicer import LlmService
from services.llm.settings import LlmSettings


def main() -> None:
    """Read the settings and serve."""
    settings = LlmSettings()
    run(LlmService(settings), settings)


if __name__ == "__main__":
    main()
