"""Runs Silero over whatever frames are pending, all streams in one model call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
import numpy.typing as npt

from services.common.errors import EngineDead, EngineFault

Float32 = npt.NDArray[np.float32]
Model = Callable[[Float32, Float32], tuple[Float32, Float32]]
"""`(windows [B, 576], state [2, B, 128]) -> (probabilities [B, 1], state)`, free of the GIL."""

WINDOW = 576
STATE_SHAPE = (2, 128)
MAX_BATCH = 64


class VadJob:
    """Consecutive frames of one stream, run one a batch, since each needs the state that the last one left."""

    __slots__ = ("abandoned", "done", "engine_s", "probabilities", "queued_s", "slot", "started_s", "windows")

    def __init__(self, slot: int, windows: Float32, done: asyncio.Future[None]) -> None:
        self.slot = slot
        self.windows = windows
        self.done = done
        self.probabilities: list[float] = []
        self.abandoned = False
        self.queued_s = time.perf_counter()
        self.started_s = 0.0
        self.engine_s = 0.0


class VadBatcher:
    """One task that gathers a frame of every stream that has one, runs the model in a thread, and goes round again.

    It never waits for a batch to fill: while the model runs, the next frames gather by themselves. A stream's LSTM
    state lives in its slot of one array, so that a batch is one gather and one scatter.
    """

    def __init__(self, model: Model, executor: Executor, capacity: int, timeout_s: float) -> None:
        self._model = model
        self._executor = executor
        self._timeout_s = timeout_s
        self._state = np.zeros((STATE_SHAPE[0], capacity, STATE_SHAPE[1]), np.float32)
        self._windows = np.zeros((MAX_BATCH, WINDOW), np.float32)
        self._free = list(range(capacity - 1, -1, -1))
        self._jobs: dict[int, VadJob] = {}
        self._wake = asyncio.Event()
        self._dead: str = ""

    def take_slot(self) -> int | None:
        """Return a free slot with a fresh state, or None where all are taken."""
        if not self._free:
            return None
        slot = self._free.pop()
        self._state[:, slot] = 0.0
        return slot

    def give_slot(self, slot: int) -> None:
        """Give a slot back; what is pending in it is dropped."""
        job = self._jobs.pop(slot, None)
        if job is not None:
            job.abandoned = True
            job.done.cancel()
        self._free.append(slot)

    async def run_frames(self, slot: int, windows: Float32) -> VadJob:
        """Return the probabilities of `windows` [N, 576], in order, once all have run. One call at a time a slot."""
        if self._dead:
            raise EngineDead(self._dead)
        job = VadJob(slot, windows, asyncio.get_running_loop().create_future())
        self._jobs[slot] = job
        self._wake.set()
        await job.done
        return job

    async def serve(self) -> None:
        """Run batches for ever; ends only by being cancelled, or with the engine."""
        while not self._dead:
            await self._wake.wait()
            self._wake.clear()
            while self._jobs and not self._dead:
                await self._run_batch(list(self._jobs.values())[:MAX_BATCH])

    async def _run_batch(self, jobs: list[VadJob]) -> None:
        began_s = time.perf_counter()
        batch = self._windows[: len(jobs)]
        for row, job in enumerate(jobs):
            batch[row] = job.windows[len(job.probabilities)]
            job.started_s = job.started_s or began_s
        slots = [job.slot for job in jobs]
        call = asyncio.get_running_loop().run_in_executor(self._executor, self._model, batch, self._state[:, slots])
        try:
            async with asyncio.timeout(self._timeout_s):
                probabilities, state = await call
        except TimeoutError:
            self._die(f"voice activity detection hangs: no answer in {self._timeout_s:.1f} s")
            return
        except Exception as error:  # whatever onnxruntime raises belongs to this batch alone
            for job in jobs:
                self._finish(job, EngineFault(f"voice activity detection failed: {type(error).__name__}"))
            return
        engine_s = time.perf_counter() - began_s
        self._keep_state(jobs, slots, state)
        for job, probability in zip(jobs, probabilities[:, 0].tolist(), strict=True):
            job.engine_s += engine_s
            job.probabilities.append(probability)
            if len(job.probabilities) == len(job.windows):
                self._finish(job, None)
            elif not job.abandoned:
                self._jobs[job.slot] = self._jobs.pop(job.slot)  # to the back: a long chunk waits for the others

    def _keep_state(self, jobs: list[VadJob], slots: list[int], state: Float32) -> None:
        if not any(job.abandoned for job in jobs):
            self._state[:, slots] = state
            return
        for row, job in enumerate(jobs):
            if not job.abandoned:
                self._state[:, job.slot] = state[:, row]

    def _finish(self, job: VadJob, error: EngineFault | None) -> None:
        if self._jobs.get(job.slot) is job:
            del self._jobs[job.slot]
        if job.done.done():
            return
        if error is None:
            job.done.set_result(None)
        else:
            job.done.set_exception(error)

    def _die(self, why: str) -> None:
        self._dead = why
        for job in list(self._jobs.values()):
            self._finish(job, EngineDead(why))
