"""`parley say`: let the speech synthesis service say a text."""

from __future__ import annotations

import argparse
from pathlib import Path

from parley.errors import SpeechError
from parley.speech import synthesise
from parley.terminal import console, run_async
from parley.wav import write_wav

_EPILOG = """\
examples:
  parley say "Your order is on its way." --out order.wav
  parley say "Hello." --voice en-gb --speed 0.9
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = _EPILOG
    parser.add_argument("text", metavar="TEXT", help="what to say")
    parser.add_argument("--voice", default="", metavar="V", help="voice (default: the server's)")
    parser.add_argument("--speed", type=float, default=1.0, help="0.5 to 2 (default: 1)")
    parser.add_argument("--out", type=Path, default=Path("out/say.wav"), metavar="F.wav", help="default: %(default)s")
    parser.add_argument("--rate", type=int, default=24000, metavar="HZ", help="sample rate (default: %(default)s)")
    parser.add_argument("--server", default="localhost:50054", metavar="H:P", help="tts service (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return run_async(_say(options))


async def _say(options: argparse.Namespace) -> int:
    if not options.text.strip():
        raise SpeechError("there is nothing to say: the text is empty")
    (pcm,) = await synthesise(
        options.server, [options.text], voice=options.voice, sample_rate_hz=options.rate, speed=options.speed
    )
    write_wav(options.out, pcm, options.rate)
    console().print(f"{options.out}: {len(pcm) / 2 / options.rate:.1f} s")
    return 0
