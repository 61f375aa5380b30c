"""The turn service: voice.turn.v1.TurnDetector over one engine."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
from voice.common.v1 import common_pb2
from voice.turn.v1 import turn_pb2 as pb

from services.common.audio import check_format
from services.common.draining import DrainableRequests, OpenStreams
from services.common.errors import Draining, InvalidInput, NotReady
from services.common.limits import first_request
from services.common.logging import session_id, turn_epoch
from services.common.metrics import ENDPOINTING_DELAY
from services.common.registry import load_engine
from services.common.server import Rpc, register_rpcs
from services.common.telemetry import joined_context
from services.turn.engine import TurnEngine
from services.turn.engines import ENGINES
from services.turn.session import Session
from services.turn.settings import TurnSettings
from services.turn.tracing import DecisionTrace
from services.turn.tracker import TurnTracker
from services.turn.wire import to_ready, to_rules

log = logging.getLogger(__name__)

GRPC_NAME = "voice.turn.v1.TurnDetector"


class TurnService:
    """Holds the engine and serves a session a stream."""

    name = "turn"
    grpc_names: Sequence[str] = (GRPC_NAME,)

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self._engine: TurnEngine | None = None
        self._open = OpenStreams()

    def register(self, server: grpc.aio.Server) -> None:
        """Serve TurnDetector."""
        rpc = Rpc(self.detect, pb.DetectRequest.FromString, pb.DetectResponse.SerializeToString)
        register_rpcs(server, GRPC_NAME, {"Detect": rpc})

    async def start(self) -> None:
        """Load and warm the engine that the settings name."""
        engine: TurnEngine = load_engine(ENGINES, self._settings.engine, setting="PARLEY_TURN_ENGINE")(self._settings)
        self._engine = engine
        await engine.start()
        capabilities = engine.capabilities
        log.info(
            "engine ready",
            extra={
                "engine": capabilities.engine,
                "model": capabilities.model,
                "uses_audio_model": capabilities.uses_audio_model,
            },
        )

    async def drain(self) -> None:
        """Let every stream go on to the end of the turn that is open in it, then end it."""
        self._open.drain()

    async def close(self) -> None:
        """Close the engine."""
        if self._engine is not None:
            await self._engine.close()

    async def detect(self, requests: AsyncIterator[pb.DetectRequest], context: Any) -> None:
        """Watch one caller's audio: config first, then audio and controls; `ready` first, then events."""
        engine = self._engine
        if engine is None:
            raise NotReady("turn detection is still loading its models")
        first = await first_request(requests, self._settings.config_timeout_ms)
        received_s = time.perf_counter()
        if first is None:
            return
        if first.WhichOneof("control") != "config" or first.audio:
            raise InvalidInput("the first request must carry config, and no audio: what the audio is, is said there")
        config = first.config
        session_id.set(config.session_id)
        turn_epoch.set(config.turn_epoch)
        joined = joined_context(context.invocation_metadata())
        audio_format = check_format(config.format.sample_rate_hz, config.format.encoding)
        tracker = TurnTracker(to_rules(config), engine.capabilities, time.perf_counter)
        stream = engine.open(audio_format.sample_rate_hz)
        try:
            ready = to_ready(engine.capabilities, config.turn_epoch)
            ready.timing.received_to_sent_us = round((time.perf_counter() - received_s) * 1e6)
            await context.write(ready)
            trace = DecisionTrace(joined, config.session_id, engine.capabilities)

            def told(response: pb.DetectResponse) -> None:
                trace.told(response)
                if response.HasField("end_of_turn"):
                    ENDPOINTING_DELAY.record(response.end_of_turn.delay_ms)

            session = Session(audio_format, stream, tracker, config.turn_epoch, self._settings, told)
            drainable = DrainableRequests(requests, session.is_at_rest)
            with self._open.holding(drainable):
                try:
                    await session.run(drainable, context.write)
                except Draining:
                    await context.write(pb.DetectResponse(draining=common_pb2.Draining()))
                    await drainable.left()
                    raise
        finally:
            stream.close()
