"""Where sessions are kept: in Redis, or in this process where no Redis is configured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from services.common.errors import ParleyError
from services.common.turn_log import TurnEntry


class StoreUnavailable(ParleyError):
    """The session store cannot be reached."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as it is kept."""

    session_id: str
    agent: str
    last_epoch: int = 0
    turns: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    language: str = ""
    """BCP 47 tag of the language it was left in; empty: the agent's first."""

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> SessionRecord:
        """Rebuild a record from `to_json`."""
        return cls(**json.loads(text))


class SessionStore(Protocol):
    """Keeps records for their idle time. Every method raises StoreUnavailable within a short deadline."""

    async def save(self, record: SessionRecord) -> None:
        """Keep a record, and start its idle time anew."""

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return a record, or None where there is none or its idle time has passed."""

    async def delete(self, session_id: str) -> None:
        """Forget a record."""

    async def expires_in_s(self, session_id: str) -> int:
        """Return the idle time left, 0 where there is no such record."""

    async def log_turns(self, turns: Sequence[TurnEntry]) -> None:
        """Leave the times of turns where `parley latency` finds them."""

    async def close(self) -> None:
        """Release connections."""


class MemoryStore:
    """Sessions in this process, lost with it."""

    def __init__(self, ttl_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._records: dict[str, tuple[float, str]] = {}

    async def save(self, record: SessionRecord) -> None:
        """Keep a record, and start its idle time anew."""
        self._sweep()
        self._records.pop(record.session_id, None)
        self._records[record.session_id] = (self._clock() + self._ttl_s, record.to_json())

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return a record, or None."""
        self._sweep()
        kept = self._records.get(session_id)
        return SessionRecord.from_json(kept[1]) if kept else None

    async def delete(self, session_id: str) -> None:
        """Forget a record."""
        self._records.pop(session_id, None)

    async def expires_in_s(self, session_id: str) -> int:
        """Return the idle time left."""
        kept = self._records.get(session_id)
        return max(0, round(kept[0] - self._clock())) if kept else 0

    async def log_turns(self, turns: Sequence[TurnEntry]) -> None:
        """Leave nothing: nobody could look into this process."""

    async def close(self) -> None:
        """Nothing to release."""

    def _sweep(self) -> None:
        """Drop what expired. Records are in order of expiry: each save puts one last."""
        now = self._clock()
        while self._records:
            session_id = next(iter(self._records))
            if self._records[session_id][0] > now:
                return
            del self._records[session_id]
