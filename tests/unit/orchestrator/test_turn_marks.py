"""What is noted of a caller's turn before there is a reply: which moments count, and which are of another turn."""

from __future__ import annotations

from typing import Any

import pytest
from voice.asr.v1 import asr_pb2
from voice.common.v1 import common_pb2
from voice.turn.v1 import turn_pb2

from services.common import spans
from services.common.audio import AudioFormat
from services.common.wire import encode_audio
from services.orchestrator.hearing import Feeds, Hearing
from services.orchestrator.turn_marks import TurnMarks

pytestmark = pytest.mark.unit

CHUNK_MS = 40


class Call:
    """A caller's audio at its own pace, and a clock for what is said of it."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.format = AudioFormat(16000)
        ignore = Feeds(lambda raw: None, lambda raw: None, lambda raw: None)
        self.hearing = Hearing(self.format, ignore, clock=lambda: self.now_s)
        self.marks = TurnMarks(self.hearing, clock=lambda: self.now_s)

    def hear(self, duration_ms: int) -> None:
        """Take audio; each chunk arrives when it is complete."""
        for _ in range(duration_ms // CHUNK_MS):
            self.now_s += CHUNK_MS / 1000
            pcm = bytes(self.format.byte_count(CHUNK_MS))
            self.hearing.on_audio(encode_audio(pcm), len(pcm))

    def detect(self, after_ms: float = 5.0, offset_ms: int = 0, server_ms: int = 3, **event: Any) -> None:
        self.now_s += after_ms / 1000
        timing = common_pb2.ServerTiming(received_to_sent_us=server_ms * 1000, queue_us=1000, engine_us=2000)
        self.marks.on_turn(turn_pb2.DetectResponse(timing=timing, audio_offset_ms=offset_ms, **event))

    def final(self, finalize_id: int, after_ms: float = 10.0) -> None:
        self.now_s += after_ms / 1000
        timing = common_pb2.ServerTiming(received_to_sent_us=8000, queue_us=1000, engine_us=6000)
        hypothesis = asr_pb2.Hypothesis(text="hi", is_final=True, finalize_id=finalize_id)
        self.marks.on_hypothesis(asr_pb2.RecognizeResponse(timing=timing, hypothesis=hypothesis))

    def turn(self, epoch: int = 7) -> None:
        """Speak until 990 ms, fall silent until 1200 ms."""
        self.detect(0, speech_started=turn_pb2.SpeechStarted())
        self.marks.opened(epoch)
        self.hear(1200)
        self.detect(5, 1200, speech_stopped=turn_pb2.SpeechStopped(end_ms=990))
        self.marks.asked(3)

    def over(self, after_ms: float = 20.0) -> None:
        self.detect(after_ms, 1200, end_of_turn=turn_pb2.EndOfTurn(speech_end_ms=990))


def durations(call: Call, epoch: int = 7) -> dict[str, int]:
    return {line.name: round(line.duration_ms) for line in call.marks.take(epoch).lines(None)}


def test_a_turn_s_moments_until_its_reply() -> None:
    call = Call()
    call.turn()
    call.over()
    call.final(3)
    call.now_s += 0.002
    marks = call.marks.take(7)
    told = {line.name: round(line.duration_ms) for line in marks.lines(None)}
    # The last sample lies at 990 ms, in the chunk that ended and came at 1000 ms.
    assert told == {
        "capture": 10, "transit_in": 0, "vad_hold": 205, "turn_decision": 20, "asr_finalization": 10, "commit": 2,
    }  # fmt: skip
    heard = marks.exchanges[spans.VAD_HOLD]
    assert (heard.client_ms, heard.server_ms, heard.network_ms) == pytest.approx((5, 3, 2))
    decided = marks.exchanges[spans.TURN_DECISION]
    assert (decided.queue_ms, decided.engine_ms, decided.network_ms) == pytest.approx((1, 2, 2))
    final = marks.exchanges[spans.ASR_FINALIZATION]
    assert (final.client_ms, final.server_ms, final.network_ms) == pytest.approx((30, 8, 22))


def test_a_transcript_asked_for_early_may_be_there_before_the_end() -> None:
    call = Call()
    call.turn()
    call.final(3)
    call.over(after_ms=10)
    assert durations(call)["asr_finalization"] == 0


def test_speech_that_goes_on_begins_the_silence_anew() -> None:
    call = Call()
    call.turn()
    call.final(3)
    call.detect(0, speech_started=turn_pb2.SpeechStarted())
    call.hear(400)
    call.detect(5, 1600, speech_stopped=turn_pb2.SpeechStopped(end_ms=1400))
    call.marks.asked(4)
    call.final(3)  # late, and no longer the turn's
    call.detect(10, 1600, end_of_turn=turn_pb2.EndOfTurn(speech_end_ms=1400))
    call.final(4, after_ms=6)
    told = durations(call)
    assert (told["vad_hold"], told["turn_decision"], told["asr_finalization"]) == (205, 20, 6)


def test_a_turn_without_a_transcript_has_no_line_for_it() -> None:
    call = Call()
    call.turn()
    call.over()
    assert list(durations(call)) == ["capture", "transit_in", "vad_hold", "turn_decision", "commit"]


def test_typed_text_and_a_later_turn_have_nothing_of_speech_that_was_not_answered() -> None:
    call = Call()
    call.turn(7)
    call.over()
    call.final(3)
    typed = call.marks.take(8)
    assert typed.arrived_s is None
    assert list(typed.at_s) == ["committed"]
    call.turn(9)
    call.now_s += 1
    assert list(call.marks.take(9).at_s) == ["committed"], "its end was never told"


def test_speech_that_is_forgotten_has_no_end() -> None:
    call = Call()
    call.turn()
    call.marks.on_turn(turn_pb2.DetectResponse(end_of_turn=turn_pb2.EndOfTurn(speech_end_ms=99_000)))
    assert call.marks.take(7).arrived_s is None
