"""One bidirectional stream to a stage: opened, kept open, opened anew when it breaks."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import grpc.aio

from services.common.errors import NotReady, ParleyError
from services.common.interceptors import DRAINING_KEY
from services.orchestrator.wake import Wake

log = logging.getLogger(__name__)

BACKOFF_MS = (50, 100, 200, 400, 800)
STABLE_S = 2.0
"""A stream that lived this long was well: what breaks it begins a new trouble, it does not go on with an old one."""
WRITE_DEADLINE_MS = 3_000
MAX_MERGED_BYTES = 512 << 10
"""Audio in one message at most: services refuse messages over 1 MiB, and a stream that is refused is lost."""
MAX_PENDING_BYTES = 4 << 20
"""More than this unsent means that the stage does not read any more: about two minutes at 16 kHz."""


class RawCall(Protocol):
    """What is used of a grpc.aio stream-stream call without serialisers."""

    async def write(self, request: bytes) -> None:
        """Send one serialised request."""

    async def read(self) -> Any:
        """Return one serialised response, or grpc.aio.EOF."""

    def cancel(self) -> bool:
        """Cancel the RPC."""


class StageError(ParleyError):
    """A stage is down, hung, or sent what cannot be used."""

    def __init__(
        self,
        stage: str,
        detail: str,
        *,
        is_rejection: bool = False,
        is_draining: bool = False,
        is_overload: bool = False,
    ) -> None:
        super().__init__(f"{stage}: {detail}")
        self.stage = stage
        self.detail = detail
        self.is_rejection = is_rejection
        """The stage refused what it was sent: trying again with the same cannot help."""
        self.is_draining = is_draining
        """The server is about to stop, in good order: nothing failed, another one takes over."""
        self.is_overload = is_overload
        """The server has no room."""


@dataclass(frozen=True, slots=True)
class StreamHooks:
    """What a stage stream needs to know and tells. All but `open_call` run on the event loop and must not block."""

    open_call: Callable[[], RawCall]
    config: Callable[[], bytes]
    """The serialised first request."""
    replay: Callable[[], Iterable[bytes]]
    """What a new stream has to be told after its config, so that it knows what the old one knew."""
    on_response: Callable[[bytes], None]
    """Every response, the first (`ready`) included."""
    on_lost: Callable[[StageError], None]
    """The stream broke, or its server drains; another is being opened."""
    on_gave_up: Callable[[StageError], None]
    """No stream could be opened for `grace_ms`."""


class StageStream:
    """Sends without waiting, in order; audio that piles up behind a slow write goes out as one message."""

    def __init__(self, stage: str, hooks: StreamHooks, *, ready_ms: int, grace_ms: int) -> None:
        self.stage = stage
        self._hooks = hooks
        self._ready_s = ready_ms / 1000
        self._grace_s = grace_ms / 1000
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._ends_with_audio = False
        self._wake = Wake(asyncio.get_running_loop())
        self._connection: asyncio.Task[None] | None = None
        self._left_for: StageError | None = None
        self._loop = asyncio.get_running_loop()
        self._write_began_s: float | None = None
        self.is_up = asyncio.Event()
        self.first_outcome: asyncio.Future[None] = self._loop.create_future()
        """Done once the stream was open for the first time, or failed once it gave up before that."""

    def send_audio(self, raw: bytes) -> None:
        """Send serialised audio messages (one or several, concatenated)."""
        if self._ends_with_audio and len(self._pending[-1]) + len(raw) <= MAX_MERGED_BYTES:
            self._pending[-1] += raw
        else:
            self._pending.append(raw)
            self._ends_with_audio = True
        self._after_send(len(raw))

    def send(self, raw: bytes) -> None:
        """Send one serialised message that carries a control. Audio still pending rides in the same message."""
        if self._ends_with_audio:
            self._pending[-1] += raw
        else:
            self._pending.append(raw)
        self._ends_with_audio = False
        self._after_send(len(raw))

    def _after_send(self, count: int) -> None:
        self._pending_bytes += count
        if self._pending_bytes > MAX_PENDING_BYTES or self._is_write_stuck():
            self._clear()
            self.restart("it does not read what it is sent")
        self._wake.set()

    def _is_write_stuck(self) -> bool:
        # Looked at with each send: a timer a write would cost more than the write's own bookkeeping.
        began_s = self._write_began_s
        return began_s is not None and self._loop.time() - began_s > WRITE_DEADLINE_MS / 1000

    def restart(self, reason: str) -> None:
        """Drop the stream and open another: the stage hangs, or owes an answer."""
        self._leave(StageError(self.stage, reason))

    def move_on(self) -> None:
        """Leave a server that drains for another."""
        self._leave(StageError(self.stage, "it is about to stop", is_draining=True))

    def _leave(self, reason: StageError) -> None:
        if self._connection is not None and not self._connection.done() and self._left_for is None:
            self._left_for = reason
            self._connection.cancel()

    async def run(self) -> None:
        """Keep a stream open until cancelled, or until none could be opened for the grace."""
        failures = 0
        is_told = False
        troubled_since_s: float | None = None
        while True:
            began_s = self._loop.time()
            self._connection = asyncio.create_task(self._connect(), name=f"{self.stage}-connection")
            try:
                error = await self._outcome(self._connection)
            finally:
                self._connection.cancel()
            now_s = self._loop.time()
            if self.is_up.is_set() and now_s - began_s >= STABLE_S:
                failures, is_told, troubled_since_s = 0, False, None
            self.is_up.clear()
            troubled_since_s = troubled_since_s or now_s
            was_up = self.first_outcome.done()
            if (error.is_rejection and not was_up) or now_s - troubled_since_s > self._grace_s:
                self._give_up(error)
                return
            if was_up and not is_told:  # attempts that failed before the first stream was open were no loss
                is_told = True
                self._hooks.on_lost(error)
            if error.is_draining and failures == 0:
                failures = 1
                continue  # nothing failed: another server is there already, or waited for
            await asyncio.sleep(BACKOFF_MS[min(failures, len(BACKOFF_MS) - 1)] / 1000)
            failures += 1

    def _give_up(self, error: StageError) -> None:
        if self.first_outcome.done():
            self._hooks.on_gave_up(error)
        else:
            self.first_outcome.set_exception(error)

    async def _outcome(self, connection: asyncio.Task[None]) -> StageError:
        await asyncio.wait({connection})
        left_for, self._left_for = self._left_for, None
        if connection.cancelled():
            return left_for or StageError(self.stage, "cancelled")
        return as_stage_error(self.stage, connection.exception() or RuntimeError("it closed the stream"))

    async def _connect(self) -> None:
        self._clear()
        call = self._hooks.open_call()
        try:
            async with asyncio.timeout(self._ready_s):
                await call.write(self._hooks.config())
                first = await call.read()
            if first is grpc.aio.EOF:
                raise await failure_of(call, self.stage)
            self._hooks.on_response(first)
            self._clear()
            for raw in self._hooks.replay():
                self.send(raw)
            self.is_up.set()
            if not self.first_outcome.done():
                self.first_outcome.set_result(None)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_all(call), name=f"{self.stage}-writer")
                tasks.create_task(self._read_all(call), name=f"{self.stage}-reader")
        finally:
            call.cancel()

    async def _write_all(self, call: RawCall) -> None:
        while True:
            await self._wake.wait()
            while self._pending:
                raw = self._pending.popleft()
                if not self._pending:
                    self._ends_with_audio = False
                self._pending_bytes -= len(raw)
                self._write_began_s = self._loop.time()
                try:
                    await call.write(raw)
                except (asyncio.InvalidStateError, grpc.aio.UsageError):  # it is over: its status says why
                    raise await failure_of(call, self.stage) from None
                self._write_began_s = None

    async def _read_all(self, call: RawCall) -> None:
        while True:
            raw = await call.read()
            if raw is grpc.aio.EOF:
                raise await failure_of(call, self.stage)
            self._hooks.on_response(raw)

    def _clear(self) -> None:
        self._write_began_s = None
        self._pending.clear()
        self._pending_bytes = 0
        self._ends_with_audio = False


async def failure_of(call: Any, stage: str) -> StageError:
    """Return why a call ended, from its status."""
    code: Callable[[], Awaitable[grpc.StatusCode]] = call.code
    status = await code()
    if status is grpc.StatusCode.OK:
        return StageError(stage, "it closed the stream")
    return _from_status(stage, status, await call.details(), await call.trailing_metadata())


def as_stage_error(stage: str, error: BaseException) -> StageError:
    """Return any failure of talking to a stage as a StageError."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, StageError):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return _from_status(stage, error.code(), error.details() or "", error.trailing_metadata())
    if isinstance(error, TimeoutError):
        return StageError(stage, "it did not answer in time")
    return StageError(stage, f"{type(error).__name__}: {error}")


def _from_status(
    stage: str, status: grpc.StatusCode, details: str, trailing: Iterable[tuple[str, str | bytes]] | None
) -> StageError:
    is_rejection = status in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
    is_draining = any(key == DRAINING_KEY for key, _ in trailing or ())
    return StageError(
        stage,
        f"{status.name}: {details}",
        is_rejection=is_rejection,
        is_draining=is_draining,
        is_overload=status is grpc.StatusCode.RESOURCE_EXHAUSTED,
    )


async def wait_until_up(streams: Iterable[StageStream], deadline_ms: int) -> None:
    """Wait until every stream is open. Raises NotReady that names those that are not, or what one was refused for."""
    streams = list(streams)
    waiting = [stream.first_outcome for stream in streams]
    await asyncio.wait(waiting, timeout=deadline_ms / 1000, return_when=asyncio.FIRST_EXCEPTION)
    for outcome in waiting:
        if outcome.done() and (error := outcome.exception()) is not None:
            raise NotReady(f"cannot start the call: {error}")
    if missing := ", ".join(stream.stage for stream in streams if not stream.first_outcome.done()):
        raise NotReady(f"not reachable: {missing}; start it, or try again when it is up")
