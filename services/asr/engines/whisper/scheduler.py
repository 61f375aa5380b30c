"""Decodes of all streams on one model: workers that each take the most urgent batch and run it in a thread.

ctranslate2 releases the GIL, and its replicas share the weights. All bookkeeping is on the event loop. A worker never
waits for a batch to fill: while the model runs, the next decodes gather by themselves.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from services.asr.engines.whisper.hearing import Answer, Question
from services.asr.engines.whisper.queue import DecodeQueue, Urgency
from services.asr.engines.whisper.threads import CallThread
from services.common.errors import EngineDead, EngineFault, Overloaded

log = logging.getLogger(__name__)

Decode = Callable[[Sequence[Question]], Sequence[Answer]]
"""One batch through the model; blocks, free of the GIL. Any exception fails the batch."""
FAULTS_TO_DEATH = 3
"""Batches that fail in a row before the engine gives up: nothing says that the next would do better."""
_FATAL = (
    "illegal memory access", "device-side assert", "unspecified launch failure", "misaligned address", "uncorrectable",
    "cublas_status_not_initialized", "cublas_status_execution_failed", "cuda driver", "no cuda-capable device",
    "device is lost", "cannot be loaded", "initialization error", "context is destroyed", "gpu has fallen off",
)  # fmt: skip
"""What a CUDA context that is gone says; only a new process gets another."""


class Job:
    """One decode from the question to its answer."""

    __slots__ = ("answered", "asked_s", "engine_ms", "is_running", "question", "queue_ms", "stream", "urgency",
                 "waiting_since_s")  # fmt: skip

    def __init__(self, stream: int, urgency: Urgency, question: Question, waiting_since_s: float) -> None:
        self.stream = stream
        self.urgency = urgency
        self.question = question
        self.waiting_since_s = waiting_since_s
        self.asked_s = time.perf_counter()
        self.answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.is_running = False
        self.queue_ms = 0.0
        self.engine_ms = 0.0

    @property
    def group(self) -> int:
        """One batch needs the start of the transcript at one place: ctranslate2 asks it."""
        return len(self.question.previous)


class Scheduler:
    """The queue and its workers. With more than one, the first takes no partials: a final then starts at once."""

    def __init__(self, decode: Decode, *, workers: int, batch_size: int, max_queue: int, timeout_s: float) -> None:
        self._decode = decode
        self._batch_size = batch_size
        self._timeout_s = timeout_s
        self._queue: DecodeQueue[Job] = DecodeQueue(max_queue)
        self._threads = [CallThread(f"whisper-{place}") for place in range(workers)]
        self._wakes = [asyncio.Event() for _ in range(workers)]
        self._tasks: list[asyncio.Task[None]] = []
        self._running: set[Job] = set()
        self._faults = 0
        self._dead = ""
        self.decodes = 0
        """Batches run so far."""

    def start(self) -> None:
        """Start the workers."""
        for place in range(len(self._threads)):
            self._tasks.append(asyncio.create_task(self._work(place), name=f"whisper-{place}"))

    async def close(self) -> None:
        """Stop; what waits or runs is dropped."""
        self._die("the recogniser is closing")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for thread in self._threads:
            thread.close()

    @property
    def is_full(self) -> bool:
        """Whether no more decodes can wait."""
        return self._queue.is_full

    @property
    def pending(self) -> int:
        """Decodes that wait or run."""
        return len(self._queue) + len(self._running)

    def check(self) -> None:
        """Raise EngineDead where the engine is gone."""
        if self._dead:
            raise EngineDead(self._dead)

    def submit(self, job: Job) -> bool:
        """Queue a decode; returns False for a partial that finds the queue full.

        Raises Overloaded where a final finds it full of finals, EngineDead where the engine is gone.
        """
        self.check()
        dropped = self._queue.put(job)
        for other in dropped:
            other.answered.cancel()
        if job in dropped:
            if job.urgency is Urgency.FINAL:
                raise Overloaded("the recogniser has more finals to decode than it can take: try again")
            return False
        self._wake()
        return True

    def hurry(self, job: Job, urgency: Urgency) -> None:
        """Make a waiting decode more urgent."""
        if urgency < job.urgency:
            job.urgency = urgency
            self._wake()

    def cancel(self, job: Job) -> None:
        """Forget a decode: out of the queue, or its answer dropped."""
        self._queue.remove(job)
        job.answered.cancel()

    def _wake(self) -> None:
        for wake in self._wakes:
            wake.set()

    async def _work(self, place: int) -> None:
        wake, thread = self._wakes[place], self._threads[place]
        with_partials = place > 0 or len(self._threads) == 1
        while not self._dead:
            batch = self._queue.take(self._batch_size, with_partials=with_partials)
            if batch:
                await self._run(batch, thread)
            else:
                wake.clear()
                await wake.wait()

    async def _run(self, batch: list[Job], thread: CallThread) -> None:
        began_s = time.perf_counter()
        self._running.update(batch)
        for job in batch:
            job.is_running = True
            job.queue_ms = (began_s - job.asked_s) * 1000
        try:
            await self._answer(batch, thread)
        except Exception as error:  # a fault of ours: a worker that ended unseen would leave its streams waiting
            log.exception("a worker failed")
            self._die(f"a worker of the recogniser failed: {type(error).__name__}")
        finally:
            self._running.difference_update(batch)

    async def _answer(self, batch: list[Job], thread: CallThread) -> None:
        began_s = time.perf_counter()
        call = thread.run(partial(self._decode, [job.question for job in batch]))
        self.decodes += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                answers = await call
        except TimeoutError:
            self._die(f"a decode hangs: no answer in {self._timeout_s:.0f} s")
            return
        except Exception as error:  # whatever the library raises: bad_alloc, RuntimeError, ValueError
            await self._fail(batch, error, thread)
            return
        self._faults = 0
        engine_ms = (time.perf_counter() - began_s) * 1000
        for job, answer in zip(batch, answers, strict=True):
            job.engine_ms = engine_ms
            if not job.answered.done():
                job.answered.set_result(answer)

    async def _fail(self, batch: list[Job], error: Exception, thread: CallThread) -> None:
        said = str(error).lower()
        if any(sign in said for sign in _FATAL):
            log.error("the device is gone", extra={"error": type(error).__name__})
            self._die(f"the recogniser's device failed: {error}")
            return
        log.warning("a decode failed", extra={"error": type(error).__name__, "batch": len(batch)})
        if len(batch) > 1:  # too much for the memory, or one stream's audio: the others shall not suffer
            for job in batch:
                if not job.answered.done() and not self._dead:
                    await self._answer([job], thread)
            return
        self._faults += 1
        if self._faults >= FAULTS_TO_DEATH:
            self._die(f"{self._faults} decodes in a row failed, the last with {type(error).__name__}: {error}")
            return
        self._give(batch, EngineFault(f"a decode failed: {type(error).__name__}: {error}"))

    def _die(self, why: str) -> None:
        self._dead = self._dead or why
        waiting: list[Job] = []
        while batch := self._queue.take(self._batch_size):
            waiting += batch
        self._give([*waiting, *self._running], EngineDead(why))
        self._wake()

    @staticmethod
    def _give(jobs: Sequence[Job], error: EngineFault) -> None:
        for job in jobs:
            if not job.answered.done():
                job.answered.set_exception(error)
                job.answered.exception()  # counts as seen: the caller may have gone
