"""A caller's audio on its way to the turn detector: in few messages, and none late that the detector waits for."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from services.common.audio import AudioFormat
from services.orchestrator.loudness import Loudness, Sound

VAD_FRAME_MS = 32
"""The turn detector's frame: audio that completes none waits for the next, 31 messages a second instead of 50."""
MOST_MS = 100
"""Audio a message at most where it tells nothing new: three frames, not one. Where the level misleads (a voice too
soft to stand out of the noise, noise as loud as a voice), a decision is some 70 ms later."""
MOST_IDLE_MS = 160
"""The same while neither speaks: an onset noticed later costs nothing, the recogniser is given what came before it."""
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
        self._most_bytes = audio_format.byte_count(MOST_MS)
        self._most_idle_bytes = audio_format.byte_count(MOST_IDLE_MS)
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._has_news = False
        self._total_bytes = 0
        self._frame_end_bytes = self._frame_bytes
        self._agent_speaks = False
        self._caller = Caller.SILENT

    def take(self, raw: bytes, pcm_bytes: int) -> None:
        """Take one serialised audio message, whose last `pcm_bytes` are samples."""
        self._pending.append(raw)
        self._pending_bytes += pcm_bytes
        self._total_bytes += pcm_bytes
        if not self._has_news:
            self._has_news = self._is_news(raw, pcm_bytes)
        if self._total_bytes >= self._frame_end_bytes:
            self._frame_end_bytes = self._after(self._total_bytes)
            if self._has_news:
                self._has_news = False
                self.flush()
                return
        is_idle = self._caller is Caller.SILENT and not self._agent_speaks
        if self._pending_bytes + pcm_bytes > (self._most_idle_bytes if is_idle else self._most_bytes):
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
        """Send what waits, ahead of a control that is about to be sent: one message carries both."""
        if self._pending:
            self._send(b"".join(self._pending))
            self._pending.clear()
            self._pending_bytes = 0

    def agent_speaks(self, speaking: bool) -> None:
        """Take note whether the agent is heard."""
        self._agent_speaks = speaking
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
        self._pending_bytes = 0
        self._has_news = False
        self._total_bytes = told_bytes
        self._frame_end_bytes = self._after(told_bytes)
        self._caller = Caller.PAUSING if in_turn else Caller.SILENT
