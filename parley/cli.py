"""The `parley` command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from parley import __version__

COMMANDS = {
    "up": "start all five services on this machine",
    "down": "stop what `parley up` started",
    "status": "tell how the services are",
    "call": "call an agent with a WAV file",
    "talk": "call an agent with microphone and speaker",
    "agents": "list the agents that can be called",
    "latency": "where turns' time went, against the budget",
    "models": "list, fetch and check the models that engines load",
    "say": "let the speech synthesis service say a text",
    "demo": "a whole conversation with the appointment desk, checked from end to end",
}
EXAMPLES = """\
examples:
  parley up                                    start everything, wait until it is healthy
  parley agents                                which agents there are
  parley call question.wav --agent requests    call one with a recording
  parley talk --agent appointments             call one with your own voice
  parley down                                  stop everything

`parley COMMAND --help` tells more.
"""


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser. Only the chosen command's module is loaded, so that help comes at once."""
    parser = argparse.ArgumentParser(
        prog="parley",
        description="A self-hosted streaming voice agent.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"parley {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        command = subparsers.add_parser(
            name, help=summary, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == chosen:
            module = importlib.import_module(f"parley.commands.{name}")
            module.configure(command)
            command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit status: 0 where all went well, 1 where not, 2 for a wrong command line."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = build_parser(words).parse_args(words)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1  # the reader of our output has gone, such as `parley call ... --json | head`
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"parley: {where}{error.strerror or error}", file=sys.stderr)  # noqa: T201 - as below
        return 1
    except Exception as error:
        from parley.errors import AudioFileError, CallError, LatencyError, LaunchError, ModelError, SpeechError

        told = (AudioFileError, CallError, LatencyError, LaunchError, ModelError, SpeechError)
        if not isinstance(error, told):
            raise
        print(f"parley: {error}", file=sys.stderr)  # noqa: T201 - a command speaks to its terminal
        return 1


if __name__ == "__main__":
    sys.exit(main())
