"""Paces a reply's audio to the caller a little ahead of real time, and knows how much of it was heard."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from services.common.audio import AudioFormat

LEAD_MS = 200
"""Audio the caller holds at most: what bridges a late frame, and what a barge-in has to throw away."""
FRAME_MS = 100
"""Audio a message once playback runs: the number of messages is the cost, not their size."""
KEEP_MS = 4_000
"""Audio of the turn that was handed over and is kept, at least: to be said again from a word on, to know its echo."""
PAST_MS = 1_500
"""What has sounded before a pause, and is known after it: its echo is still on its way."""
DONE_TOLERANCE_MS = 5.0
MIN_DELAY_MS = 1.0
"""uvloop counts whole milliseconds: a timer of less (a rounding error is enough) would fire again and again at once."""


@dataclass(frozen=True, slots=True)
class PlaybackHooks:
    """What playback tells of itself. All are called on the event loop and must not block."""

    send: Callable[[int, int, bytes], None]
    """(epoch, offset_ms, pcm): hand a frame to the caller's stream."""
    began: Callable[[int], None]
    """(epoch): the first frame was handed over."""
    progressed: Callable[[int], None]
    """(epoch): a frame was handed over."""
    done: Callable[[int], None]
    """(epoch): the caller has played all of a finished reply."""


class Playback:
    """Plays one reply at a time. The first frame leaves at once, later ones when the caller's buffer has room.

    The clock: where the caller acknowledges its position, that is the truth and real time fills the gaps; where it does
    not, real time since the frames were handed over.
    """

    def __init__(self, audio_format: AudioFormat, hooks: PlaybackHooks, loop: asyncio.AbstractEventLoop) -> None:
        self._format = audio_format
        self._hooks = hooks
        self._loop = loop
        self._bytes_per_ms = audio_format.byte_count(1000) / 1000
        self._frame_bytes = audio_format.byte_count(FRAME_MS)
        self._kept_bytes = audio_format.byte_count(KEEP_MS)
        self._timer: asyncio.TimerHandle | None = None
        self.epoch = 0
        self._reset(0)

    def _reset(self, epoch: int) -> None:
        self.epoch = epoch
        self._buffer: deque[bytes] = deque()
        self._kept = bytearray()
        self._sent_bytes = 0
        self._base_ms = 0.0
        self._base_s = self._loop.time()
        self._farthest_ms = 0.0
        self._rewound_ms = -1
        self._rewinds = 0
        self._past, self._past_s = b"", self._base_s
        self._unbroken_ms = 0.0
        self._has_begun = False
        self._held_until_s = 0.0
        self._is_paused = False
        self._paused_s = 0.0
        self._is_finished = False
        self._cancel_timer()

    def begin(self, epoch: int, hold_ms: float = 0.0) -> None:
        """Start over for turn `epoch`, whose first frame is held back for `hold_ms`."""
        self._reset(epoch)
        self._held_until_s = self._loop.time() + hold_ms / 1000

    def push(self, pcm: bytes) -> None:
        """Add audio of the current turn."""
        self._buffer.append(pcm)
        if self._timer is None:
            self._pump()

    def finish(self) -> None:
        """Say that no more audio follows: `done` is told once the caller has played what there is."""
        self._is_finished = True
        if self._timer is None:
            self._pump()

    def pause(self) -> None:
        """Hand over nothing more, and stop the clock."""
        if not self._is_paused:
            self._break(self.position_ms())
        self._base_ms = self.position_ms()
        self._is_paused = True
        self._paused_s = self._loop.time()
        self._cancel_timer()

    def resume(self, from_ms: int | None = None) -> None:
        """Go on where `pause` stopped, or, handing it over again, from `from_ms` of the turn's audio on.

        `from_ms` must be `can_rewind_to`, and the caller told that what it holds from there on comes again.
        """
        if not self._is_paused:
            return
        if from_ms is not None:
            self._rewind(from_ms)
        self._is_paused = False
        self._base_s = self._loop.time()
        self._unbroken_ms = self._base_ms
        self._pump()

    def can_rewind_to(self, from_ms: int) -> bool:
        """Whether the audio from there on is still kept."""
        first_bytes = self._sent_bytes - len(self._kept)
        return first_bytes <= self._format.byte_count(from_ms) <= self._sent_bytes

    def times_rewound_to(self, from_ms: int) -> int:
        """Return how often in a row it went back to that place."""
        return self._rewinds if from_ms == self._rewound_ms else 0

    def _rewind(self, from_ms: int) -> None:
        self._rewinds = self.times_rewound_to(from_ms) + 1
        self._rewound_ms = from_ms
        self._farthest_ms = self.heard_ms()
        again = len(self._kept) - (self._sent_bytes - self._format.byte_count(from_ms))
        if again < len(self._kept):
            self._buffer.appendleft(bytes(self._kept[again:]))
        del self._kept[again:]
        self._sent_bytes = self._format.byte_count(from_ms)
        self._base_ms = self.sent_ms

    def clear(self) -> float:
        """Throw away what was not handed over, end the turn, and return the position for the record, in ms."""
        position_ms = self.position_ms()
        self._buffer.clear()
        self._kept.clear()
        self._is_paused = True
        self._is_finished = False
        self._base_ms = position_ms
        self._cancel_timer()
        return position_ms

    def acknowledge(self, epoch: int, played_ms: int) -> None:
        """Take the caller's word for its position; of another turn, or beyond what was sent, it counts for nothing."""
        if epoch == self.epoch and played_ms <= self.sent_ms + 1:
            self._base_ms = float(played_ms)
            self._base_s = self._loop.time()

    @property
    def is_paused(self) -> bool:
        """Whether playback stands still."""
        return self._is_paused

    @property
    def paused_ms(self) -> float:
        """How long playback has stood still."""
        return (self._loop.time() - self._paused_s) * 1000 if self._is_paused else 0.0

    @property
    def sent_ms(self) -> float:
        """Audio of the turn handed over so far."""
        return self._sent_bytes / self._bytes_per_ms

    def position_ms(self) -> float:
        """Return how much of the turn's audio the caller has played by now."""
        elapsed_ms = 0.0 if self._is_paused else (self._loop.time() - self._base_s) * 1000
        return min(self.sent_ms, self._base_ms + elapsed_ms)

    def heard_ms(self) -> float:
        """Return how much of the turn's audio the caller has heard, also where some of it is being said again."""
        return max(self._farthest_ms, self.position_ms())

    def sounded(self, duration_ms: float, ahead_ms: float = 0.0) -> bytes:
        """Return what the loudspeaker sounds from `duration_ms` ago until `ahead_ms` from now, silence included.

        At most PAST_MS before the newest pause are known; what is about to sound is known as far as it is handed over.
        """
        wanted = self._format.byte_count(duration_ms + ahead_ms)
        now_s = self._loop.time()
        since = self._format.byte_count((now_s - self._past_s) * 1000)
        newest = coming = b""
        dry = 0
        if not self._is_paused:
            first = self._sent_bytes - len(self._kept)
            begin = max(0, self._format.byte_count(self._unbroken_ms) - first)
            end = max(begin, self._format.byte_count(self.position_ms()) - first)
            newest, coming = bytes(self._kept[begin:end]), bytes(self._kept[end : end + wanted])
            dry = self._format.byte_count(max(0.0, self._base_ms + (now_s - self._base_s) * 1000 - self.sent_ms))
        heard = self._past + bytes(max(0, since - len(newest) - dry)) + newest + bytes(dry)
        length = self._format.byte_count(duration_ms)
        return (heard[-length:].rjust(length, b"\0") + coming.ljust(wanted, b"\0"))[:wanted]

    def _break(self, at_ms: float) -> None:
        """Keep what has sounded so far: from `at_ms` of the turn's audio on it goes on after a silence, or again."""
        self._past, self._past_s = self.sounded(PAST_MS), self._loop.time()
        self._unbroken_ms = at_ms

    # --- pacing -------------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        self._timer = None
        if self._is_paused:
            return
        while self._buffer and not self._is_paused:  # what is told of a frame may pause it
            held_ms = 0.0 if self._has_begun else (self._held_until_s - self._loop.time()) * 1000
            if held_ms > 0:
                self._schedule(held_ms)
                return
            ahead_ms = self.sent_ms - self.position_ms()
            if ahead_ms > LEAD_MS - FRAME_MS:
                self._schedule(ahead_ms - (LEAD_MS - FRAME_MS))
                return
            self._send(self._next_frame())
        if self._is_finished and not self._is_paused:
            left_ms = self.sent_ms - self.position_ms()
            if left_ms > DONE_TOLERANCE_MS:
                self._schedule(left_ms)
            else:
                self._is_finished = False
                self._hooks.done(self.epoch)

    def _next_frame(self) -> bytes:
        frame = self._buffer.popleft()
        while self._buffer and len(frame) < self._frame_bytes:
            frame += self._buffer.popleft()
        if len(frame) > self._frame_bytes:
            self._buffer.appendleft(frame[self._frame_bytes :])
            frame = frame[: self._frame_bytes]
        return frame

    def _send(self, frame: bytes) -> None:
        if not frame:
            return
        offset_ms = self.sent_ms
        position_ms = self.position_ms()
        if position_ms >= offset_ms and self._has_begun:  # the caller has run dry
            self._break(offset_ms)
        self._base_ms, self._base_s = position_ms, self._loop.time()
        self._hooks.send(self.epoch, round(offset_ms), frame)
        is_first, self._has_begun = not self._has_begun, True
        self._keep(frame)
        (self._hooks.began if is_first else self._hooks.progressed)(self.epoch)

    def _keep(self, frame: bytes) -> None:
        self._sent_bytes += len(frame)
        self._kept += frame
        if len(self._kept) > 3 * self._kept_bytes // 2:  # not with each frame: it moves what stays
            del self._kept[: -self._kept_bytes]

    def _schedule(self, delay_ms: float) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(max(delay_ms, MIN_DELAY_MS) / 1000, self._pump)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
