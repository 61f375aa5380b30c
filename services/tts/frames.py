"""How the audio of an epoch is cut into frames, and how much of it was sent."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.audio import AudioFormat

_FIRST_FRAMES_MS = (20, 100)
_SHORT_REST_MS = 40
"""A rest up to this long rides with the frame before it: a message costs more than the bytes in it."""


class EpochAudio:
    """Cuts the audio of one attempt at an epoch.

    Its first frame is 20 ms, since only that one is heard as latency: it is on the wire, and at the caller, before the
    second is made. Then 100 ms, so that a caller on a thin line has something to play meanwhile. All later ones, of
    this phrase and the next, queue behind audio still to be played, and there the number of messages is the whole cost.
    """

    def __init__(self, audio_format: AudioFormat, max_frame_ms: int) -> None:
        self._format = audio_format
        self._sizes = [audio_format.byte_count(min(first_ms, max_frame_ms)) for first_ms in _FIRST_FRAMES_MS]
        self._later_size = audio_format.byte_count(max_frame_ms)
        self._short_rest = audio_format.byte_count(_SHORT_REST_MS)
        self._frames = 0
        self._sent_bytes = 0

    def cut(self, pcm: bytes) -> Iterator[bytes]:
        """Yield `pcm` in frames; at least one, which is empty where `pcm` is."""
        at = 0
        while True:
            size = self._sizes[self._frames] if self._frames < len(self._sizes) else self._later_size
            if len(pcm) - at - size <= self._short_rest:
                size = len(pcm) - at
            if size:
                self._frames += 1
            yield pcm[at : at + size] if size < len(pcm) else pcm
            at += size
            if at >= len(pcm):
                return

    def count(self, pcm_bytes: int) -> None:
        """Count audio that was sent."""
        self._sent_bytes += pcm_bytes

    @property
    def audio_ms(self) -> int:
        """Audio sent so far."""
        return int(self._format.duration_ms(self._sent_bytes))
