"""What one stream has still to say: order, epochs, cancellation. Knows no gRPC and no engine."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from services.common.errors import InvalidInput, Overloaded


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


@dataclass(frozen=True, slots=True)
class FlushToTell:
    """A request to be told when everything before it is sent."""

    epoch: int
    received_s: float


class PendingSpeech:
    """The queue of one stream. Epochs never go backwards; what is of a cancelled one is dropped, also on arrival."""

    def __init__(self, max_phrases: int) -> None:
        self._max_phrases = max_phrases
        self._items: deque[PhraseToSpeak | FlushToTell] = deque()
        self._changed = asyncio.Event()
        self._epoch = 0
        self._cancelled_epoch = -1
        self.is_finished = False

    def add(self, item: PhraseToSpeak | FlushToTell) -> None:
        """Queue an item. Raises InvalidInput for an epoch that went backwards or input after finish; Overloaded."""
        if self.is_finished:
            raise InvalidInput("text or flush after finish: open a new stream")
        if self.is_cancelled(item.epoch):
            return
        if item.epoch < self._epoch:
            raise InvalidInput(f"turn_epoch {item.epoch} after {self._epoch}: epochs never go backwards")
        if len(self._items) >= self._max_phrases:
            raise Overloaded(f"{self._max_phrases} phrases are waiting to be spoken: read the audio, then send more")
        self._epoch = item.epoch
        self._items.append(item)
        self._changed.set()

    def cancel(self, epoch: int) -> None:
        """Drop everything of `epoch` and before."""
        self._cancelled_epoch = max(self._cancelled_epoch, epoch)
        self._items = deque(item for item in self._items if not self.is_cancelled(item.epoch))

    def is_cancelled(self, epoch: int) -> bool:
        """Return whether nothing of `epoch` may be sent any more."""
        return epoch <= self._cancelled_epoch

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
