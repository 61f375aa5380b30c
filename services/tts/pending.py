"""What one stream has still to say: order, epochs, cancellation. Knows no gRPC and no engine."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from services.common.errors import InvalidInput, Overloaded

Attempt: TypeAlias = tuple[int, int]
"""(epoch, attempt): which turn, and which answer of it. What comes later is the larger."""


@dataclass(frozen=True, slots=True)
class PhraseToSpeak:
    """A phrase as it arrived."""

    epoch: int
    phrase_id: int
    text: str
    received_s: float
    """time.perf_counter() at its arrival."""
    traceparent: str = ""
    """The turn's trace, where the client told it."""
    attempt: int = 0
    language: str = ""
    """BCP 47; empty: the stream's own."""
    style: str = ""
    """Empty: the stream's own."""
    pause_ms: int = 0
    """Silence before it."""

    @property
    def of(self) -> Attempt:
        """What it belongs to."""
        return self.epoch, self.attempt


@dataclass(frozen=True, slots=True)
class FlushToTell:
    """A request to be told when everything before it is sent."""

    epoch: int
    received_s: float
    attempt: int = 0

    @property
    def of(self) -> Attempt:
        """What it asks after."""
        return self.epoch, self.attempt


class PendingSpeech:
    """The queue of one stream. Attempts never go backwards; what is of a cancelled one is dropped, also on arrival."""

    def __init__(self, max_phrases: int) -> None:
        self._max_phrases = max_phrases
        self._items: deque[PhraseToSpeak | FlushToTell] = deque()
        self._changed = asyncio.Event()
        self._newest: Attempt = (0, 0)
        self._cancelled: Attempt = (-1, 0)
        self.is_finished = False

    def add(self, item: PhraseToSpeak | FlushToTell) -> None:
        """Queue an item. Raises InvalidInput for an attempt that went backwards or input after finish; Overloaded."""
        if self.is_finished:
            raise InvalidInput("text or flush after finish: open a new stream")
        if self.is_cancelled(item.of):
            return
        if item.of < self._newest:
            came, newest = ("turn_epoch {}, attempt {}".format(*of) for of in (item.of, self._newest))
            raise InvalidInput(f"{came} after {newest}: they never go backwards")
        if len(self._items) >= self._max_phrases:
            raise Overloaded(f"{self._max_phrases} phrases are waiting to be spoken: read the audio, then send more")
        self._newest = item.of
        self._items.append(item)
        self._changed.set()

    def cancel(self, attempt: Attempt) -> None:
        """Drop everything of `attempt` and before."""
        self._cancelled = max(self._cancelled, attempt)
        self._items = deque(item for item in self._items if not self.is_cancelled(item.of))

    def is_cancelled(self, attempt: Attempt) -> bool:
        """Return whether nothing of `attempt` may be sent any more."""
        return attempt <= self._cancelled

    def finish(self) -> None:
        """Say that no more will come."""
        self.is_finished = True
        self._changed.set()

    async def next(self) -> PhraseToSpeak | FlushToTell | None:
        """Return the next item, waiting for one; None once finished and empty."""
        while not self._items:
            if self.is_finished:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._items.popleft()
