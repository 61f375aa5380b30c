"""Asks a server how it is, by grpc.health.v1."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

_CHECK = "/grpc.health.v1.Health/Check"


class Health(StrEnum):
    """How a server is."""

    SERVING = "serving"
    NOT_SERVING = "not serving"
    UNREACHABLE = "unreachable"


async def check_health(channel: grpc.aio.Channel, deadline_s: float = 2.0) -> Health:
    """Return how the server at the channel's other end is. Never raises for a server that does not answer."""
    check: Any = channel.unary_unary(
        _CHECK, health_pb2.HealthCheckRequest.SerializeToString, health_pb2.HealthCheckResponse.FromString
    )
    try:
        response = await check(health_pb2.HealthCheckRequest(), timeout=deadline_s)
    except grpc.aio.AioRpcError:
        return Health.UNREACHABLE
    return Health.SERVING if response.status == health_pb2.HealthCheckResponse.SERVING else Health.NOT_SERVING
