"""A service of the launcher's tests: health alone, a child process, and faults on demand.

STUB_CRASHES, STUB_HANGS and STUB_STAYS name the service that exits at start, is never healthy, or ignores SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


def who_am_i() -> tuple[str, int]:
    """Return the service's name and port from PARLEY_<NAME>_PORT."""
    for key, value in os.environ.items():
        if match := re.fullmatch(r"PARLEY_([A-Z]+)_PORT", key):
            return match.group(1).lower(), int(value)
    raise SystemExit("no PARLEY_<NAME>_PORT")


async def serve(name: str, port: int) -> None:
    """Serve until SIGTERM."""
    servicer = health.aio.HealthServicer()
    hangs = os.environ.get("STUB_HANGS") == name
    status = health_pb2.HealthCheckResponse
    await servicer.set("", status.NOT_SERVING if hangs else status.SERVING)
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    stopped = asyncio.Event()
    stop = (lambda: None) if os.environ.get("STUB_STAYS") == name else stopped.set
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    await server.start()
    await stopped.wait()
    await server.stop(0)


def main() -> None:
    """Run."""
    name, port = who_am_i()
    if os.environ.get("STUB_CRASHES") == name:
        raise SystemExit("the stub was told to crash")
    if name == "asr":  # a worker that nobody stops
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    asyncio.run(serve(name, port))


if __name__ == "__main__":
    main()
