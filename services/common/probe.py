"""Ask a server for its health, once: `python -m services.common.probe HOST:PORT [--service NAME]`.

What the images' HEALTHCHECK runs: exit status 0 where the server says SERVING, 1 where it does not or does not answer,
and one line that says which.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def probe(target: str, service: str = "", timeout_s: float = 2.0) -> tuple[bool, str]:
    """Return whether the server at `target` says SERVING for `service` ("": as a whole), and a line that tells it."""
    what = f"{target} {service}".rstrip()
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=timeout_s
            )
        except grpc.RpcError as error:
            return False, f"{what}: {_reason(error)}"
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return answer.status == health_pb2.HealthCheckResponse.SERVING, f"{what}: {status}"


def _reason(error: grpc.RpcError) -> str:
    code = error.code()
    if code is grpc.StatusCode.NOT_FOUND:
        return "no such service there"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return "a server without health checks"
    details = " ".join(str(error.details()).split())
    return f"{code.name}: {details}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe as the command line says. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m services.common.probe", description="Ask a server for its health.")
    parser.add_argument("target", help="host:port")
    parser.add_argument("--service", default="", help="full gRPC service name; default: the server as a whole")
    parser.add_argument("--timeout-s", type=float, default=2.0, help="how long the answer may take (default: 2)")
    options = parser.parse_args(arguments)
    is_serving, line = probe(options.target, options.service, options.timeout_s)
    print(line, file=sys.stdout if is_serving else sys.stderr)
    return 0 if is_serving else 1


if __name__ == "__main__":
    sys.exit(main())
