"""The span of a turn's decision: from the end of speech, as it was noticed, to the end of the turn."""

from __future__ import annotations

import time

from opentelemetry.context import Context
from voice.turn.v1 import turn_pb2 as pb

from services.common import spans
from services.common.telemetry import tracer
from services.turn.engine import Capabilities
from services.turn.events import EndReason


class DecisionTrace:
    """Watches what one stream tells, and makes a span of each turn that ends."""

    def __init__(self, joined: Context, session_id: str, capabilities: Capabilities) -> None:
        self._joined = joined
        self._common = {
            spans.SESSION_ID: session_id,
            spans.ENGINE: capabilities.engine,
            spans.MODEL: capabilities.model,
        }
        self._silent_since_ns: int | None = None

    def told(self, response: pb.DetectResponse) -> None:
        """Take a response that is about to be sent."""
        match response.WhichOneof("event"):
            case "speech_started":
                self._silent_since_ns = None
            case "speech_stopped":
                self._silent_since_ns = time.time_ns()
            case "end_of_turn":
                self._decided(response)

    def _decided(self, response: pb.DetectResponse) -> None:
        span = tracer().start_span(spans.TURN_DECIDE, self._joined, start_time=self._silent_since_ns)
        if span.is_recording():
            end, timing = response.end_of_turn, response.timing
            span.set_attributes(
                {
                    **self._common,
                    spans.TURN_EPOCH: response.turn_epoch,
                    spans.DECISION_PROBABILITY: end.probability,
                    spans.DECISION_DELAY_MS: end.delay_ms,
                    spans.DECISION_REASON: EndReason(end.reason).name.lower(),
                    spans.HOP_QUEUE_MS: timing.queue_us / 1000,
                    spans.HOP_ENGINE_MS: timing.engine_us / 1000,
                }
            )
        span.end()
