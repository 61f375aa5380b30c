"""The moments of a caller's turn while it is heard, before there is a reply that could carry them."""

from __future__ import annotations

import time
from collections.abc import Callable

from voice.asr.v1 import asr_pb2
from voice.turn.v1 import turn_pb2

from services.common import spans
from services.orchestrator.hearing import Hearing
from services.orchestrator.latency import Exchange, Marks


class TurnMarks:
    """Collects the marks of the open utterance. The reply takes them along; a new utterance begins anew."""

    def __init__(self, hearing: Hearing, clock: Callable[[], float] = time.monotonic) -> None:
        self._hearing = hearing
        self._clock = clock
        self._begin(0)

    def _begin(self, epoch: int) -> None:
        self._epoch = epoch
        self._marks = Marks()
        self._stopped_s: float | None = None
        self._heard: Exchange | None = None
        self._asked: tuple[int, float] = (0, 0.0)
        self._final: tuple[float, Exchange] | None = None

    def opened(self, epoch: int) -> None:
        """Note that utterance `epoch` was opened."""
        stopped_s, heard = self._stopped_s, self._heard
        self._begin(epoch)
        self._stopped_s, self._heard = stopped_s, heard

    def on_turn(self, response: turn_pb2.DetectResponse) -> None:
        """Take the turn detector's word, before anything is done about it."""
        now_s = self._clock()
        match response.WhichOneof("event"):
            case "speech_started":
                self._stopped_s = self._heard = None
            case "speech_stopped":
                self._stopped_s = now_s
                self._heard = self._exchange(response, now_s)
            case "end_of_turn":
                self._marks = self._ended(response, now_s)

    def _exchange(self, response: turn_pb2.DetectResponse, now_s: float) -> Exchange | None:
        # What ended the speech was audio, and that was passed on the moment it arrived.
        sent_s = self._hearing.arrival_s(response.audio_offset_ms)
        return None if sent_s is None else Exchange.of(response.timing, sent_s, now_s)

    def _ended(self, response: turn_pb2.DetectResponse, now_s: float) -> Marks:
        arrival = self._hearing.arrival(response.end_of_turn.speech_end_ms)
        marks = Marks() if arrival is None else Marks(arrived_s=arrival.at_s, capture_ms=arrival.rest_ms)
        if self._stopped_s is not None:
            marks.mark("stopped", self._stopped_s)
        marks.mark("turn_over", now_s)
        timing = response.timing
        server_ms = timing.received_to_sent_us / 1000
        if self._heard is not None:
            marks.exchanges[spans.VAD_HOLD] = self._heard
            # What caused the decision (audio, text, the audio model's answer) is the detector's secret: the network
            # is taken to be as fast as it was when the speech stopped.
            marks.exchanges[spans.TURN_DECISION] = Exchange(
                server_ms + self._heard.network_ms, server_ms, timing.queue_us / 1000, timing.engine_us / 1000
            )
        return marks

    def asked(self, finalize_id: int) -> None:
        """Note that the recogniser was asked for the final text: an earlier one is no longer the turn's."""
        self._asked = (finalize_id, self._clock())
        self._final = None

    def on_hypothesis(self, response: asr_pb2.RecognizeResponse) -> None:
        """Take the recogniser's word."""
        finalize_id, asked_s = self._asked
        if response.hypothesis.is_final and finalize_id and response.hypothesis.finalize_id == finalize_id:
            now_s = self._clock()
            self._final = now_s, Exchange.of(response.timing, asked_s, now_s)

    def take(self, epoch: int) -> Marks:
        """Return the marks for the reply of turn `epoch`: none of speech, where that is no utterance's."""
        marks = self._marks if epoch == self._epoch else Marks()
        if epoch == self._epoch and self._final is not None and "turn_over" in marks.at_s:
            marks.mark("final", self._final[0])
            marks.exchanges[spans.ASR_FINALIZATION] = self._final[1]
        marks.mark("committed", self._clock())
        self._begin(0)
        return marks
