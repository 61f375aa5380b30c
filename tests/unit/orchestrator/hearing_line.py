"""A caller's line into `Hearing`, and what the two listeners got of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from voice.asr.v1 import asr_pb2

from services.common.audio import AudioFormat
from services.common.wire import encode_audio
from services.orchestrator.hearing import Feeds, Hearing


@dataclass
class Line:
    """A caller's line: what was said into it, and what the two listeners got."""

    rate_hz: int = 16000
    turn: list[bytes] = field(default_factory=list)
    asr: list[tuple[str, bytes]] = field(default_factory=list)
    """("audio" or "control", message)"""
    said: bytearray = field(default_factory=bytearray)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.format = AudioFormat(self.rate_hz)
        feeds = Feeds(
            turn_audio=self.turn.append,
            asr_audio=lambda raw: self.asr.append(("audio", raw)),
            asr_control=lambda raw: self.asr.append(("control", raw)),
        )
        self.hearing = Hearing(self.format, feeds, clock=lambda: self.now_s)

    def say(self, duration_ms: int, chunk_ms: int = 20) -> None:
        """Send audio whose samples count up, so that any stretch of it tells where it comes from."""
        for _ in range(duration_ms // chunk_ms):
            first = len(self.said) // 2
            count = self.format.byte_count(chunk_ms) // 2
            pcm = b"".join(((first + number) % 65536).to_bytes(2, "little") for number in range(count))
            self.said += pcm
            self.now_s += chunk_ms / 1000
            self.hearing.on_audio(encode_audio(pcm), len(pcm))

    def heard(self) -> list[asr_pb2.RecognizeRequest]:
        return [asr_pb2.RecognizeRequest.FromString(raw) for _, raw in self.asr]

    def asr_pcm(self) -> bytes:
        return b"".join(pcm for request in self.heard() for pcm in request.audio)

    def ms(self, start_ms: float, end_ms: float) -> bytes:
        return bytes(self.said[self.format.byte_count(start_ms) : self.format.byte_count(end_ms)])


def requests(raws: Iterable[bytes]) -> list[asr_pb2.RecognizeRequest]:
    return [asr_pb2.RecognizeRequest.FromString(raw) for raw in raws]


def pcm_of(raws: Iterable[bytes]) -> bytes:
    return b"".join(pcm for request in requests(raws) for pcm in request.audio)
