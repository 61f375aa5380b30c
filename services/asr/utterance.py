"""One stream's current utterance: what was fed, what was told, and whether an answer is still good."""

from __future__ import annotations

from services.asr.engine import Recognised
from services.asr.stability import StablePrefix


class Utterance:
    """Bookkeeping of one utterance after another. Pure: no engine, no transport."""

    def __init__(self, epoch: int, bytes_per_ms: float, partial_interval_ms: int, max_ms: int) -> None:
        self._bytes_per_ms = bytes_per_ms
        self._partial_bytes = int(partial_interval_ms * bytes_per_ms)
        self._max_bytes = int(max_ms * bytes_per_ms)
        self._stable = StablePrefix()
        self.begin(epoch)

    def begin(self, epoch: int) -> None:
        """Begin utterance `epoch`."""
        self.epoch = epoch
        self.final: Recognised | None = None
        """The final text of all audio so far, if it is known."""
        self.revisions = 0
        """Partials that took back something of the one that was told before."""
        self._bytes = 0
        self._since_partial_bytes = 0
        self._told = ""
        self._stable.reset()

    def feed(self, count: int) -> bool:
        """Count audio. Returns False where the utterance is full: the audio is to be dropped."""
        if self._bytes + count > self._max_bytes:
            return False
        self._bytes += count
        self._since_partial_bytes += count
        self.final = None
        return True

    @property
    def audio_ms(self) -> int:
        """Audio so far."""
        return int(self._bytes / self._bytes_per_ms)

    def is_partial_due(self) -> bool:
        """Whether enough audio came since the last partial; the count then starts anew."""
        if self._since_partial_bytes < self._partial_bytes:
            return False
        self._since_partial_bytes = 0
        return True

    def is_news(self, partial: Recognised) -> bool:
        """Whether a partial is worth sending: it says something new and keeps what was called stable."""
        before = self.stable_prefix
        if not partial.text:
            return False
        if not self._keeps(partial):
            return False
        self.revisions += not partial.text.startswith(self._told)
        is_new = partial.text != self._told or self.stable_prefix != before
        self._told = partial.text
        return is_new

    def _keeps(self, partial: Recognised) -> bool:
        if partial.stable_prefix is not None:
            return self._stable.promised(partial.text, partial.stable_prefix)
        return self._stable.accepts(partial.text) if partial.is_settled else self._stable.begins(partial.text)

    @property
    def stable_prefix(self) -> str:
        """The leading words that stay."""
        return self._stable.text
