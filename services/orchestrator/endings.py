"""How a reply ends for those who look back at it: where the caller's playback stood, and what is told of the turn."""

from __future__ import annotations

import asyncio
import logging
import math
import time

from services.orchestrator import messages
from services.orchestrator.latency import RoundTrip
from services.orchestrator.playback import Playback
from services.orchestrator.reply import Reply
from services.orchestrator.speaking_hooks import SpeakingHooks
from services.orchestrator.tracing import CallTrace, TurnTexts

log = logging.getLogger(__name__)

ACKNOWLEDGE_MS = 200
"""After an interruption, how long the caller's own word on its position is waited for."""


class Endings:
    """One call's playback positions and turn summaries."""

    def __init__(self, playback: Playback, hooks: SpeakingHooks, trace: CallTrace) -> None:
        self._playback = playback
        self._hooks = hooks
        self._trace = trace
        self._round_trip = RoundTrip()
        self._awaiting: asyncio.Event | None = None
        self._gap_over_s = 0.0

    def gap_ms(self, reply: Reply, min_gap_ms: int) -> float:
        """Return how long the first audio of `reply` waits, so that it comes `min_gap_ms` after the caller's last."""
        now_s, arrived_s = time.monotonic(), reply.marks.arrived_s
        last_s = -math.inf if arrived_s is None else arrived_s - reply.marks.capture_ms / 1000
        self._gap_over_s = last_s + min_gap_ms / 1000
        return max(0.0, (self._gap_over_s - now_s) * 1000)

    def began(self, reply: Reply | None, epoch: int) -> None:
        """Note that the first frame of turn `epoch` left."""
        now_s = time.monotonic()
        self._round_trip.sent(epoch, now_s)
        if reply is not None:
            if reply.marks.at_s.get("audio", math.inf) < self._gap_over_s:
                reply.marks.mark("released", min(now_s, self._gap_over_s))
            reply.marks.mark("played", now_s)

    def paused(self) -> None:
        """Note that playback stands still: its next acknowledgement measures no round trip."""
        self._round_trip.forget()

    def acknowledge(self, epoch: int, played_ms: int) -> None:
        """Take the caller's playback position."""
        self._playback.acknowledge(epoch, played_ms)
        self._round_trip.acknowledged(epoch, played_ms, time.monotonic())
        self._trace.acknowledged(epoch)
        if self._awaiting is not None and epoch == self._playback.epoch:
            self._awaiting.set()

    async def acknowledged(self) -> None:
        """Wait until the caller has told its position, or should have."""
        self._awaiting = asyncio.Event()
        try:
            async with asyncio.timeout(ACKNOWLEDGE_MS / 1000):
                await self._awaiting.wait()
        except TimeoutError:
            log.info("no playback position from the caller: the pacing clock decides what was heard")

    def summarise(self, reply: Reply, heard: str) -> None:
        """Tell everyone that a turn is complete; `heard`: what of the reply the caller heard."""
        round_trip_ms = self._round_trip.ms
        lines = [] if reply.is_canned else reply.marks.lines(round_trip_ms)  # nobody waited for a fixed sentence
        response_ms = reply.marks.response_ms(round_trip_ms)
        self._hooks.send(messages.turn_summary(reply, heard, lines, response_ms))
        texts = TurnTexts(reply.user_text, reply.timeline.text, heard)
        self._trace.summarised(
            reply.epoch,
            lines,
            reply.outcome,
            texts,
            interrupted=reply.interrupted,
            tool_calls=reply.tool_calls,
            language=reply.language,
            hidden_ms=reply.hidden_ms,
        )
        self._hooks.summarised(reply, lines, response_ms)
        self._hooks.changed()
