"""What a caller's loudspeaker does with the agent's audio, as arithmetic on sample counts.

Frames queue and play at real-time pace from their arrival; pause, resume and clear take effect at the sample at which
they come in. A turn's frames follow one another without gaps, but that a resume may go back in it. The model knows no
clock: its owner tells it how far time has run (`advance`), or a sound card pulls samples from it (`pull`). A lock
guards it, because a sound card pulls from a thread of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from services.common.audio import BYTES_PER_SAMPLE

Heard = Callable[[int, bytes], None]
"""Called with the position on the speaker's clock (samples) and the PCM that sounded there."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far the speaker has played: `played_ms` of the audio of turn `turn_epoch`."""

    turn_epoch: int
    played_ms: int


@dataclass(slots=True)
class _Frame:
    turn_epoch: int
    pcm: bytes
    at: int
    """Where it begins in the turn's audio, in bytes."""
    start: int = 0
    """Bytes of it that have already sounded."""


class PlaybackModel:
    """A speaker. Time is counted in samples since the call began and never runs backwards."""

    def __init__(self, sample_rate_hz: int, on_heard: Heard | None = None) -> None:
        self._rate_hz = sample_rate_hz
        self._on_heard = on_heard
        self._queue: deque[_Frame] = deque()
        self._queued_bytes = 0
        self._cursor = 0
        self._cleared_epoch = -1
        self._epoch = 0
        self._played: dict[int, int] = {}
        self._arrived: dict[int, int] = {}
        self._lock = threading.Lock()
        self.is_paused = False
        self.stale_frames = 0
        """Frames that came after their epoch had been cleared. They are never played."""

    def push(self, turn_epoch: int, pcm: bytes) -> bool:
        """Queue a frame that has just arrived. Returns False where it is stale: counted, and thrown away."""
        with self._lock:
            if turn_epoch <= self._cleared_epoch:
                self.stale_frames += 1
                return False
            if turn_epoch > self._epoch:
                self.is_paused = False  # a pause is about one turn; the next turn's audio starts unpaused
            if pcm:
                at = self._arrived.get(turn_epoch, 0)
                self._arrived[turn_epoch] = at + len(pcm)
                self._queue.append(_Frame(turn_epoch, pcm, at))
                self._queued_bytes += len(pcm)
            self._epoch = max(self._epoch, turn_epoch)
            return True

    def pause(self) -> None:
        """Be silent from the current sample on; keep the queue."""
        with self._lock:
            self.is_paused = True

    def resume(self, turn_epoch: int = 0, from_ms: int | None = None) -> None:
        """Go on where it stopped. `from_ms`: what is queued of the turn from there on is dropped: it comes again."""
        with self._lock:
            self.is_paused = False
            if from_ms is not None:
                self._cut(turn_epoch, BYTES_PER_SAMPLE * round(from_ms * self._rate_hz / 1000))

    def _cut(self, turn_epoch: int, end: int) -> None:
        for frame in self._queue:
            if frame.turn_epoch == turn_epoch:
                frame.pcm = frame.pcm[: max(frame.start, end - frame.at)]
        self._queue = deque(frame for frame in self._queue if frame.start < len(frame.pcm))
        self._queued_bytes = sum(len(frame.pcm) - frame.start for frame in self._queue)
        self._arrived[turn_epoch] = min(end, self._arrived.get(turn_epoch, 0))
        self._played[turn_epoch] = min(end // BYTES_PER_SAMPLE, self._played.get(turn_epoch, 0))

    def clear(self, turn_epoch: int) -> None:
        """Throw away what is queued of `turn_epoch` and of all epochs before, and whatever of them still arrives."""
        with self._lock:
            self._cleared_epoch = max(self._cleared_epoch, turn_epoch)
            self._queue = deque(frame for frame in self._queue if frame.turn_epoch > self._cleared_epoch)
            self._queued_bytes = sum(len(frame.pcm) - frame.start for frame in self._queue)
            self.is_paused = False

    def advance(self, to_sample: int) -> None:
        """Let time run to `to_sample`: play what is queued, then silence."""
        with self._lock:
            self._run(to_sample, self._on_heard)

    def pull(self, samples: int) -> bytes:
        """Return the next `samples` that sound, silence included; the puller's pace is the speaker's clock."""
        out = bytearray(samples * BYTES_PER_SAMPLE)
        with self._lock:
            begin = self._cursor

            def heard(at: int, pcm: bytes) -> None:
                start = (at - begin) * BYTES_PER_SAMPLE
                out[start : start + len(pcm)] = pcm
                if self._on_heard is not None:
                    self._on_heard(at, pcm)

            self._run(begin + samples, heard)
        return bytes(out)

    @property
    def cursor(self) -> int:
        """Samples of time that have passed on the speaker's clock."""
        return self._cursor

    @property
    def queued_ms(self) -> float:
        """How much audio waits to be played."""
        return self._queued_bytes * 1000 / (BYTES_PER_SAMPLE * self._rate_hz)

    @property
    def is_playing(self) -> bool:
        """Whether agent audio sounds at this moment."""
        return bool(self._queue) and not self.is_paused

    @property
    def position(self) -> Position:
        """How far the newest turn that has sounded, or is about to, was played."""
        with self._lock:
            epoch = self._queue[0].turn_epoch if self._queue else max(self._played, default=self._epoch)
            return self._position_of(epoch)

    def position_of(self, turn_epoch: int) -> Position:
        """How far a given turn was played."""
        with self._lock:
            return self._position_of(turn_epoch)

    def _position_of(self, turn_epoch: int) -> Position:
        return Position(turn_epoch, self._played.get(turn_epoch, 0) * 1000 // self._rate_hz)

    def _run(self, to_sample: int, heard: Heard | None) -> None:
        while self._cursor < to_sample and self._queue and not self.is_paused:
            frame = self._queue[0]
            size = min(len(frame.pcm) - frame.start, (to_sample - self._cursor) * BYTES_PER_SAMPLE)
            if heard is not None:
                heard(self._cursor, frame.pcm[frame.start : frame.start + size])
            frame.start += size
            self._queued_bytes -= size
            samples = size // BYTES_PER_SAMPLE
            self._cursor += samples
            self._played[frame.turn_epoch] = self._played.get(frame.turn_epoch, 0) + samples
            if frame.start >= len(frame.pcm):
                self._queue.popleft()
        self._cursor = max(self._cursor, to_sample)
