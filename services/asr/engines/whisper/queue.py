"""Which decodes run next: finals before partials, and among partials the stream that waited longest. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from enum import IntEnum
from typing import Generic, Protocol, TypeVar


class Urgency(IntEnum):
    """Why a decode is wanted, the most urgent first."""

    FINAL = 0
    """A final is awaited."""
    CLOSING = 1
    """The caller has fallen silent: a final will be asked for any moment."""
    PARTIAL = 2
    """The caller is speaking."""


class Queued(Protocol):
    """What the queue has to know of a decode."""

    @property
    def stream(self) -> Hashable:
        """Whose it is; a stream has one at most."""

    @property
    def urgency(self) -> Urgency:
        """How urgent it is."""

    @property
    def group(self) -> Hashable:
        """Only decodes of one group run in one batch."""

    @property
    def waiting_since_s(self) -> float:
        """Since when the stream has been waiting for a decode."""


T = TypeVar("T", bound=Queued)


class DecodeQueue(Generic[T]):
    """Waiting decodes: bounded, one a stream, served by urgency."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._jobs: dict[Hashable, T] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def is_full(self) -> bool:
        """Whether it holds as much as it may."""
        return len(self._jobs) >= self._limit

    def put(self, job: T) -> list[T]:
        """Queue a decode in place of its stream's older one; return those that are dropped, `job` itself if refused.

        Where the queue is full, a partial is refused, and anything more urgent takes the place of the partial that
        has waited least.
        """
        older = self._jobs.pop(job.stream, None)
        dropped = [] if older is None else [older]
        if self.is_full:
            partials = [other for other in self._jobs.values() if other.urgency is Urgency.PARTIAL]
            if job.urgency is Urgency.PARTIAL or not partials:
                return [*dropped, job]
            least = max(partials, key=lambda other: other.waiting_since_s)
            del self._jobs[least.stream]
            dropped.append(least)
        self._jobs[job.stream] = job
        return dropped

    def remove(self, job: T) -> bool:
        """Take a decode out; returns whether it was waiting."""
        if self._jobs.get(job.stream) is not job:
            return False
        del self._jobs[job.stream]
        return True

    def take(self, count: int, *, with_partials: bool = True) -> list[T]:
        """Return up to `count` decodes to run in one batch, most urgent first; none where nothing fits.

        A final is never batched with partials: the batch lasts as long as its longest.
        """
        waiting = [job for job in self._jobs.values() if with_partials or job.urgency is not Urgency.PARTIAL]
        if not waiting:
            return []
        waiting.sort(key=lambda job: (job.urgency, job.waiting_since_s))
        first = waiting[0]
        is_partial = first.urgency is Urgency.PARTIAL
        batch = [job for job in waiting if job.group == first.group and (job.urgency is Urgency.PARTIAL) is is_partial][
            :count
        ]
        for job in batch:
            del self._jobs[job.stream]
        return batch
