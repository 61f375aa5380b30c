"""A caller's audio on its way to the turn detector: in few messages, and none late that the detector waits for."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from services.common.audio import AudioFormat
from services.orchestrator.loudness import Loudness, Sound

VAD_FRAME_MS = 32
"""The turn detector's frame: audio that completes none waits for the next, 31 messages a second instead of 50."""
HOLD_MS = 128
"""How long a whole frame may wait for more where it tells nothing new: five frames a message instead of one."""
HOLD_OVER_AGENT_MS = 64
"""The same while the agent is heard: a voice too soft to stand out of the noise stops it so much later."""
LONGEST_JUDGED_MS = 40
"""A longer chunk goes out at once: its level as a whole may hide how it ends, and such chunks are few."""


class Caller(Enum):
    """What the turn detector said last of the caller."""

    SILENT = auto()
    """No turn is open."""
    SPEAKING = auto()
    PAUSING = auto()
    """A turn is open, and silence may end it."""


_AFTER = {
    "speech_started": Caller.SPEAKING,
    "speech_stopped": Caller.PAUSING,
    "end_of_turn": Caller.SILENT,
    "backchannel": Caller.SILENT,
}


class TurnFeed:
    """Joins what is plainly no news for the turn detector: quiet while the caller is silent, speech while one speaks.

    All else goes out the moment it completes a frame, and takes along what waited: any sound louder than the line's
    noise, any fall of the voice, every frame of a pause that may end a turn, all speech over the agent. A message costs
    the same whatever its size, and those to the turn detector were the most that the orchestrator wrote.
    """

    def __init__(self, audio_format: AudioFormat, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._format = audio_format
        self._frame_bytes = audio_format.byte_count(VAD_FRAME_MS)
        self._judged_bytes = audio_format.byte_count(LONGEST_JUDGED_MS)
        self._loudness = Loudness()
        self._pending: list[bytes] = []
        self._has_news = False
        self._due_bytes: int | None = None
        """How much audio there may be before the first whole frame that waits must go out; None: none waits."""
        self._total_bytes = 0
        self._frame_end_bytes = self._frame_bytes
        self._hold_bytes = audio_format.byte_count(HOLD_MS)
        self._agent_speaks = False
        self._caller = Caller.SILENT

    def take(self, raw: bytes, pcm_bytes: int) -> None:
        """Take one serialised audio message, whose last `pcm_bytes` are samples."""
        total_bytes = self._total_bytes = self._total_bytes + pcm_bytes
        self._pending.append(raw)
        if not self._has_news:
            self._has_news = self._is_news(raw, pcm_bytes)
        completes_frame = total_bytes >= self._frame_end_bytes
        if completes_frame:
            self._frame_end_bytes = self._after(total_bytes)
            if self._due_bytes is None:
                self._due_bytes = total_bytes + self._hold_bytes
        is_due = self._due_bytes is not None and total_bytes + pcm_bytes > self._due_bytes
        if is_due or (completes_frame and self._has_news):
            self.flush()

    def _is_news(self, raw: bytes, pcm_bytes: int) -> bool:
        caller = self._caller
        if caller is Caller.PAUSING or pcm_bytes > self._judged_bytes:
            return True
        sound = self._loudness.take(raw[-pcm_bytes:], self._format.duration_ms(pcm_bytes))
        if caller is Caller.SILENT:
            return sound is not Sound.QUIET
        return self._agent_speaks or sound is not Sound.LOUD

    def _after(self, total_bytes: int) -> int:
        """Return where the first frame ends that is not whole."""
        return (total_bytes // self._frame_bytes + 1) * self._frame_bytes

    def flush(self) -> None:
        """Send the frames that wait, ahead of a control that is about to be sent: one message carries both."""
        if self._due_bytes is None:
            return
        self._due_bytes = None
        self._has_news = False
        self._send(b"".join(self._pending))
        self._pending.clear()

    def agent_speaks(self, speaking: bool) -> None:
        """Take note whether the agent is heard."""
        self._agent_speaks = speaking
        self._hold_bytes = self._format.byte_count(HOLD_OVER_AGENT_MS if speaking else HOLD_MS)
        self.flush()

    def on_detected(self, event: str) -> None:
        """Take the turn detector's word, by the name of its event."""
        if event == "interruption" and self._caller is Caller.SILENT:
            self._caller = Caller.PAUSING  # late words made a turn again of what had passed for a backchannel
        else:
            self._caller = _AFTER.get(event, self._caller)
        if self._caller is Caller.PAUSING:
            self.flush()

    def begin_anew(self, told_bytes: int, *, in_turn: bool) -> None:
        """Take note of a new stream that was told `told_bytes` of audio; `in_turn`: a turn may be open in it."""
        self._pending.clear()
        self._has_news = False
        self._due_bytes = None
        self._total_bytes = told_bytes
        self._frame_end_bytes = self._after(told_bytes)
        self._caller = Caller.PAUSING if in_turn else Caller.SILENT
