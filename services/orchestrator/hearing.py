"""The caller's audio on its way to the turn detector and, around speech only, to the recogniser: bytes, unparsed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from voice.asr.v1 import asr_pb2
from voice.turn.v1 import turn_pb2

from services.common.audio import AudioFormat
from services.orchestrator.turn_feed import TurnFeed

ASR_BATCH_MS = 100
PRE_ROLL_MS = 250
"""Audio before the detected onset that the recogniser gets too: a soft first consonant is no speech to a VAD."""
KEEP_MS = 1_500
FORGET_EVERY_MS = 320
MAX_UTTERANCE_MS = 60_000
REPLAY_MS = 8_000
"""Of a longer utterance, a new turn detector stream is told this much: the service refuses audio over 10 s ahead of
real time (AudioPace), and a stream that refuses its replay would be opened, and refuse it, again and again. The
recogniser is told all: its service takes a whole utterance at once."""
PIECE_BYTES = 256 << 10
"""Audio a message at most when it is replayed: stages refuse messages over 1 MiB."""


_Chunk: TypeAlias = tuple[int, float, bytes]
"""(where it ends in the call's audio, when it arrived, the message): one is made fifty times a second."""


class Arrival(NamedTuple):
    """When the chunk that holds a sample arrived, and how much audio of it follows the sample."""

    at_s: float
    rest_ms: float


@dataclass(frozen=True, slots=True)
class Feeds:
    """Where the audio goes: serialised messages, audio alone or with a control."""

    turn_audio: Callable[[bytes], None]
    asr_audio: Callable[[bytes], None]
    asr_control: Callable[[bytes], None]


class Hearing:
    """Keeps the last seconds of raw audio messages, by their place in the call, and feeds the two listeners."""

    def __init__(self, audio_format: AudioFormat, feeds: Feeds, clock: Callable[[], float] = time.monotonic) -> None:
        self._feeds = feeds
        self._clock = clock
        self._bytes_per_ms = audio_format.byte_count(1000) / 1000
        self._batch_bytes = audio_format.byte_count(ASR_BATCH_MS)
        self._chunks: deque[_Chunk] = deque()
        self._total_bytes = 0
        self._forget_every_bytes = audio_format.byte_count(FORGET_EVERY_MS)
        self._forget_at_bytes = 0
        self.turn = TurnFeed(audio_format, feeds.turn_audio)
        self._turn_base_bytes = 0
        self._turn_lost_bytes: int | None = None
        self._asr_pending: list[bytes] = []
        self._asr_pending_bytes = 0
        self._epoch = 0
        self._traceparent = ""
        self._utterance_start_bytes = 0
        self._closed_at_bytes = 0
        self._finalize_id = 0

    # --- audio --------------------------------------------------------------------------------------------------------

    def on_audio(self, raw: bytes, pcm_bytes: int) -> None:
        """Take one serialised audio message of the caller's, `pcm_bytes` long in samples."""
        self._total_bytes += pcm_bytes
        self._chunks.append((self._total_bytes, self._clock(), raw))
        self.turn.take(raw, pcm_bytes)
        if self._epoch:
            self._asr_pending.append(raw)
            self._asr_pending_bytes += pcm_bytes
            if self._asr_pending_bytes >= self._batch_bytes:
                self._feeds.asr_audio(self._take_asr_pending())
        if self._total_bytes >= self._forget_at_bytes:
            self._forget()

    def _take_asr_pending(self) -> bytes:
        raw = b"".join(self._asr_pending)
        self._asr_pending.clear()
        self._asr_pending_bytes = 0
        return raw

    def _forget(self) -> None:
        keep_ms = MAX_UTTERANCE_MS if self._epoch else KEEP_MS if self._turn_lost_bytes is None else REPLAY_MS
        keep_from = self._total_bytes - keep_ms * self._bytes_per_ms
        if self._epoch:
            keep_from = max(keep_from, self._utterance_start_bytes)
        while self._chunks and self._chunks[0][0] <= keep_from:
            self._chunks.popleft()
        self._forget_at_bytes = self._total_bytes + self._forget_every_bytes

    def _since(self, start_bytes: int) -> list[bytes]:
        return [raw for end_bytes, _, raw in self._chunks if end_bytes > start_bytes]

    # --- utterances ---------------------------------------------------------------------------------------------------

    def open_utterance(self, epoch: int, onset_ms: int, traceparent: str = "") -> None:
        """Feed the recogniser from shortly before `onset_ms` of the turn detector's stream, as utterance `epoch`.

        `traceparent`: the turn's trace context, for the recogniser's spans.
        """
        onset_bytes = self._turn_base_bytes + int((onset_ms - PRE_ROLL_MS) * self._bytes_per_ms)
        self._epoch = epoch
        self._traceparent = traceparent
        self._finalize_id = 0
        self._utterance_start_bytes = max(0, onset_bytes, self._closed_at_bytes)
        self._feeds.asr_control(self._reset())
        if backlog := self._since(self._utterance_start_bytes):
            self._feeds.asr_audio(b"".join(backlog))

    def _reset(self) -> bytes:
        reset = asr_pb2.ResetUtterance(turn_epoch=self._epoch, traceparent=self._traceparent)
        return asr_pb2.RecognizeRequest(reset=reset).SerializeToString()

    def finalize(self, finalize_id: int) -> None:
        """Ask the recogniser for the final text; audio not yet sent goes along in the same message."""
        self._finalize_id = finalize_id
        self._feeds.asr_control(self._take_asr_pending() + _finalize(finalize_id))

    def close_utterance(self) -> None:
        """Feed the recogniser no more."""
        self._epoch = 0
        self._closed_at_bytes = self._total_bytes
        self._take_asr_pending()

    @property
    def open_epoch(self) -> int:
        """The turn whose utterance the recogniser is fed; 0 where it is fed none."""
        return self._epoch

    # --- a new stream to a listener -----------------------------------------------------------------------------------

    def replay_asr(self) -> Iterable[bytes]:
        """Return what a new recogniser stream has to be told: the open utterance."""
        self._take_asr_pending()
        if not self._epoch:
            return []
        told = [self._reset(), *_in_pieces(self._since(self._utterance_start_bytes))]
        if not self._finalize_id:
            return told
        if len(told) == 1:
            return [*told, _finalize(self._finalize_id)]
        return [*told[:-1], told[-1] + _finalize(self._finalize_id)]

    def turn_lost(self) -> None:
        """Note that the turn detector hears nothing from now on: what comes meanwhile is kept for the next stream."""
        if self._turn_lost_bytes is None:
            self._turn_lost_bytes = self._total_bytes

    def replay_turn(self) -> Iterable[bytes]:
        """Return what a new turn detector stream has to be told: the open utterance, or what no stream has heard."""
        newest_bytes = self._total_bytes - round(REPLAY_MS * self._bytes_per_ms)
        unheard = self._total_bytes if self._turn_lost_bytes is None else self._turn_lost_bytes
        start = max(self._utterance_start_bytes if self._epoch else unheard, newest_bytes)
        self._turn_lost_bytes = None
        backlog = self._since(start)
        self._turn_base_bytes = self._total_bytes
        if backlog:
            first_end, _, first = next(chunk for chunk in self._chunks if chunk[0] > start)
            self._turn_base_bytes = first_end - _payload_bytes(first)
        self.turn.begin_anew(self._total_bytes - self._turn_base_bytes, in_turn=self._epoch > 0)
        return [b"".join(backlog)] if backlog else []

    # --- time ---------------------------------------------------------------------------------------------------------

    @property
    def offset_ms(self) -> float:
        """How much audio there is of the turn detector's stream."""
        return (self._total_bytes - self._turn_base_bytes) / self._bytes_per_ms

    def newest(self, duration_ms: float) -> tuple[bytes, float]:
        """Return the newest samples, at most `duration_ms`, and for how long the last has been here, in ms.

        It parses messages, so it is nothing to do with each of them.
        """
        if not self._chunks:
            return b"", 0.0
        wanted = 2 * round(duration_ms * self._bytes_per_ms / 2)
        raw = b"".join(self._since(self._total_bytes - wanted))
        pcm = b"".join(asr_pb2.RecognizeRequest.FromString(raw).audio)
        return pcm[-wanted:], (self._clock() - self._chunks[-1][1]) * 1000

    def arrival(self, offset_ms: float) -> Arrival | None:
        """Return how the sample at `offset_ms` of the turn detector's stream arrived; None if that is forgotten."""
        wanted = self._turn_base_bytes + offset_ms * self._bytes_per_ms
        found: _Chunk | None = None
        for chunk in reversed(self._chunks):
            if chunk[0] < wanted:
                break
            found = chunk
        else:
            return None
        if found is None:
            return None
        end_bytes, arrived_s, _ = found
        return Arrival(arrived_s, (end_bytes - wanted) / self._bytes_per_ms)

    def arrival_s(self, offset_ms: float) -> float | None:
        """Return when that sample arrived, alone."""
        arrival = self.arrival(offset_ms)
        return None if arrival is None else arrival.at_s


def _in_pieces(chunks: Iterable[bytes]) -> Iterable[bytes]:
    """Join messages into as few as a service's limit on message size allows."""
    piece: list[bytes] = []
    size = 0
    for raw in chunks:
        piece.append(raw)
        size += len(raw)
        if size >= PIECE_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


def _payload_bytes(raw: bytes) -> int:
    return sum(len(pcm) for pcm in asr_pb2.RecognizeRequest.FromString(raw).audio)


def _finalize(finalize_id: int) -> bytes:
    message = asr_pb2.RecognizeRequest(finalize=asr_pb2.FinalizeUtterance(finalize_id=finalize_id))
    return message.SerializeToString()


def hypothesis_update(text: str, hypothesis: asr_pb2.Hypothesis, epoch: int, has_grammar: bool) -> bytes:
    """Return what the turn detector is told of a hypothesis, serialised; `text` is the turn's whole text."""
    update = turn_pb2.HypothesisUpdate(
        text=text,
        is_final=hypothesis.is_final,
        confidence=hypothesis.confidence,
        turn_epoch=epoch,
        matches_grammar=hypothesis.matches_grammar,
        has_grammar=has_grammar,
        language=hypothesis.language,
    )
    return turn_pb2.DetectRequest(hypothesis=update).SerializeToString()
