"""Sentences for recognisers, which hear a word more or less where a sound differs by a millisecond."""

from __future__ import annotations

import functools
import subprocess
import sys

_SAY = """import sys
from tests.integration.turn.speech import say
sys.stdout.buffer.write(say(sys.argv[1], int(sys.argv[2]), sys.argv[3]))"""


@functools.cache
def say(text: str, rate_hz: int = 16000, voice: str = "en-us") -> bytes:
    """Return a sentence as the first that a process speaks: espeak-ng's sound depends on what it rendered before."""
    command = [sys.executable, "-c", _SAY, text, str(rate_hz), voice]
    return subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
