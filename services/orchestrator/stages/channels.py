"""One shared gRPC channel a stage a process, and whether the stage behind it is healthy."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from services.common.telemetry import UNTRACED, outgoing_metadata
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.stages.stream import RawCall

log = logging.getLogger(__name__)

STAGES = ("asr", "turn", "llm", "tts")
METHODS = {
    "asr": "/voice.asr.v1.StreamingAsr/Recognize",
    "turn": "/voice.turn.v1.TurnDetector/Detect",
    "llm": "/voice.llm.v1.LanguageModel/Generate",
    "tts": "/voice.tts.v1.StreamingTts/Synthesize",
}
SERVING = health_pb2.HealthCheckResponse.SERVING
PREFILL = "/voice.llm.v1.LanguageModel/Prefill"
UNHEALTHY_AFTER = 2
"""Checks that fail in a row before streams to a stage are dropped: one late answer is no verdict on a busy machine."""

_SERVICE_CONFIG = json.dumps(
    {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}},
)
"""Streams go to the replicas of a stage in turn, and only to those that say SERVING: one that drains or still warms up
gets none. Where a target names several addresses, one stage can so be replaced under live calls."""
_OPTIONS = [
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.enable_retries", 0),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
]
_BALANCED = [*_OPTIONS, ("grpc.service_config", _SERVICE_CONFIG)]


def _of_tenant(tenant: str) -> list[tuple[str, str]]:
    return [("x-tenant-id", tenant)] if tenant else []


class Stages:
    """Channels to the four stages. `on_unhealthy` callbacks hear of a stage that stops answering."""

    def __init__(self, settings: OrchestratorSettings) -> None:
        self.targets = {stage: str(getattr(settings, f"{stage}_target")) for stage in STAGES}
        self.settings = settings
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._health_channels: dict[str, grpc.aio.Channel] = {}
        self._methods: dict[str, Any] = {}
        self._prefill: Any = None
        self._listeners: set[Callable[[str], None]] = set()

    def open(self) -> None:
        """Create the channels; they connect when first used."""
        for stage, target in self.targets.items():
            channel = grpc.aio.insecure_channel(target, options=_BALANCED)
            self._channels[stage] = channel
            # Apart: the balanced channel does not reach a server that says NOT_SERVING, so it cannot tell one that
            # drains from one that hangs.
            self._health_channels[stage] = grpc.aio.insecure_channel(target, options=_OPTIONS)
            self._methods[stage] = channel.stream_stream(METHODS[stage])
        self._prefill = self._channels["llm"].unary_unary(PREFILL)
        if self.has_fast_model:  # down, it fails at once, and the other one answers: nobody waits for it, or watches it
            channel = grpc.aio.insecure_channel(self.settings.llm_fast_target, options=_BALANCED)
            self._channels["llm_fast"] = channel
            self._methods["llm_fast"] = channel.stream_stream(METHODS["llm"])

    @property
    def has_fast_model(self) -> bool:
        """Whether agents' small models have a server of their own, which `call` knows as `llm_fast`."""
        return bool(self.settings.llm_fast_target)

    async def close(self) -> None:
        """Close the channels."""
        for channel in (*self._channels.values(), *self._health_channels.values()):
            await channel.close()

    def call(self, stage: str, *, wait: bool = False, is_traced: bool = True, tenant: str = "") -> RawCall:
        """Start a raw-bytes stream to `stage`, with the current trace context unless `is_traced` is false.

        Where no server of the stage is ready, it fails at once, or waits for one if `wait` is set.
        """
        metadata = [*(outgoing_metadata() if is_traced else UNTRACED), *_of_tenant(tenant)]
        call: RawCall = self._methods[stage](metadata=metadata, wait_for_ready=wait)
        return call

    async def prefill(self, request: bytes, tenant: str, timeout_s: float) -> bytes:
        """Have the language model warm its cache; return the serialised answer. Raises grpc.aio.AioRpcError."""
        metadata = [*outgoing_metadata(), *_of_tenant(tenant)]
        answer: bytes = await self._prefill(request, metadata=metadata, timeout=timeout_s)
        return answer

    async def connected(self, stage: str, timeout_s: float) -> None:
        """Wait until the channel to `stage` is connected. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self._channels[stage].channel_ready()

    def on_unhealthy(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Have `listener(stage)` called when a stage stops answering; return how to stop that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def health(self, stage: str) -> int | None:
        """Ask a stage for its health, within the deadline: a ServingStatus, or None where it does not answer."""
        check = self._health_channels[stage].unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=self.settings.health_deadline_ms / 1000)
        except grpc.aio.AioRpcError:
            return None
        return int(answer.status)

    async def wait_until_serving(self) -> None:
        """Wait for all four stages, in whatever order they come up, saying now and then which is missing."""
        interval_s = self.settings.health_interval_ms / 1000
        rounds = 0
        while True:
            answers = await asyncio.gather(*(self.health(stage) for stage in STAGES))
            missing = [f"{s} at {self.targets[s]}" for s, told in zip(STAGES, answers, strict=True) if told != SERVING]
            if not missing:
                return
            if rounds % 10 == 0:
                log.info("waiting for stages", extra={"missing": missing})
            rounds += 1
            await asyncio.sleep(min(0.2, interval_s))

    async def monitor(self) -> None:
        """Check every stage's health until cancelled; tell the listeners of one that stopped answering.

        One that answers NOT_SERVING drains: it ends its streams itself, each at a quiet moment.
        """
        failed = dict.fromkeys(STAGES, 0)
        while True:
            await asyncio.sleep(self.settings.health_interval_ms / 1000)
            answers = await asyncio.gather(*(self.health(stage) for stage in STAGES))
            for stage, told in zip(STAGES, answers, strict=True):
                failed[stage] = 0 if told is not None else failed[stage] + 1
                if failed[stage] == UNHEALTHY_AFTER:
                    log.warning("stage does not answer", extra={"stage": stage, "target": self.targets[stage]})
                    for listener in tuple(self._listeners):
                        listener(stage)
