"""Makes each peer's virtual environment: `python -m bench.peers.venvs [NAME...]`, under out/bench/peers/<name>/venv.

Versions are pinned in bench/peers/<name>.txt, down to the last dependency; pip takes them from its own index. Nothing
happens where an environment is that of the pins already.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from bench.stack import OUT, ROOT

PEERS = ("pipecat", "livekit")
DEADLINE_S = 600


def python_of(peer: str) -> Path:
    """Return a peer's interpreter."""
    return OUT / "peers" / peer / "venv" / "bin" / "python"


def pins_of(peer: str) -> Path:
    """Return the list of what a peer's environment holds."""
    return ROOT / "bench" / "peers" / f"{peer}.txt"


def version_of(peer: str) -> str:
    """Return the version of the peer itself that is pinned."""
    package = {"pipecat": "pipecat-ai", "livekit": "livekit-agents"}[peer]
    return next(
        line.partition("==")[2] for line in pins_of(peer).read_text().splitlines() if line.startswith(f"{package}==")
    )


def make(peer: str) -> None:
    """Make a peer's environment. Raises CalledProcessError where pip does not get what is pinned."""
    pins, venv = pins_of(peer), python_of(peer).parents[1]
    made_of = venv / "made_of.txt"
    if made_of.is_file() and made_of.read_bytes() == pins.read_bytes():
        return
    shutil.rmtree(venv, ignore_errors=True)
    venv.parent.mkdir(parents=True, exist_ok=True)
    print(f"making {venv} of {pins.relative_to(ROOT)} ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=DEADLINE_S)
    command = [str(python_of(peer)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "-r", str(pins)], check=True, timeout=DEADLINE_S)
    shutil.copyfile(pins, made_of)


if __name__ == "__main__":
    for name in sys.argv[1:] or PEERS:
        make(name)
