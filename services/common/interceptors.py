"""The one place where errors become gRPC status, and where streams are counted and refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from services.common import errors
from services.common.metrics import CALLS_REFUSED, STAGE_REFUSED, STREAMS_ACTIVE

log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[errors.ParleyError], grpc.StatusCode], ...] = (
    (errors.InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.NotReady, grpc.StatusCode.UNAVAILABLE),
    (errors.TimedOut, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.EngineFault, grpc.StatusCode.INTERNAL),
)
RETRY_AFTER_KEY = "retry-after-ms"
"""Trailing metadata of a RESOURCE_EXHAUSTED: when to come back. gRPC's own retries read grpc-retry-pushback-ms."""
DRAINING_KEY = "parley-draining"
"""Trailing metadata of an UNAVAILABLE that is no failure: the server is about to stop, in good order."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


def status_of(error: BaseException) -> grpc.StatusCode:
    """Return the status that stands for `error`; INTERNAL for what is no ParleyError."""
    return next((code for kind, code in _STATUS if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def first_cause(error: BaseException) -> BaseException:
    """Return the error that matters inside exception groups (a TaskGroup wraps what its tasks raise).

    A dead engine before all else, then any other ParleyError, then whatever came first. Bytes that are no message of
    ours (a request that cannot be parsed) count as InvalidInput.
    """
    leaves = list(_leaves(error))
    for kind in (errors.EngineDead, errors.ParleyError):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    if isinstance(leaves[0], DecodeError):
        return errors.InvalidInput("a request cannot be parsed: send the messages of this service's proto")
    return leaves[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Runs every RPC of ours; turns a ParleyError into its status, and anything else into INTERNAL without detail.

    `on_engine_dead` is called once an engine reports itself dead. `service` is its name in metrics. `limited_prefix`
    names the RPCs that count against `max_streams`; one more stream than that is RESOURCE_EXHAUSTED with a retry delay.
    While `draining` is set, what is new is refused as Draining.
    """

    def __init__(
        self,
        max_streams: int,
        on_engine_dead: Callable[[], None],
        service: str = "",
        limited_prefix: str = "/voice.",
    ) -> None:
        self._service = service
        self._max_streams = max_streams
        self._on_engine_dead = on_engine_dead
        self._limited_prefix = limited_prefix
        self.active_streams = 0
        self.draining = False
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def wait_idle(self) -> None:
        """Wait until none of our RPCs runs."""
        await self._idle.wait()

    async def intercept_service(self, continuation: Continuation, details: grpc.HandlerCallDetails) -> Handler | None:
        """Wrap the handler of one of our methods; leave health and reflection alone."""
        handler = await continuation(details)
        if handler is None or not details.method.startswith(self._limited_prefix):
            return handler
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(handler.stream_stream), handler.request_deserializer, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(handler.unary_unary), handler.request_deserializer, handler.response_serializer
        )

    def _stream(self, behavior: Any) -> Any:
        async def run(requests: AsyncIterator[Any], context: Any) -> None:
            with self._counted():
                try:
                    self._admit_stream()
                    self.active_streams += 1
                    STREAMS_ACTIVE.add(1, stage=self._service)
                    try:
                        await behavior(requests, context)
                    finally:
                        self.active_streams -= 1
                        STREAMS_ACTIVE.add(-1, stage=self._service)
                except asyncio.CancelledError:
                    raise
                except BaseException as error:
                    await self._abort(context, error)

        return run

    def _unary(self, behavior: Any) -> Any:
        async def run(request: Any, context: Any) -> Any:
            with self._counted():
                try:
                    self._admit()
                    return await behavior(request, context)
                except asyncio.CancelledError:
                    raise
                except BaseException as error:
                    await self._abort(context, error)

        return run

    def _admit_stream(self) -> None:
        is_full = self.active_streams >= self._max_streams
        if self._service == "orchestrator" and (self.draining or is_full):
            CALLS_REFUSED.add(1, reason="draining" if self.draining else "overloaded")
        self._admit()
        if is_full:
            raise errors.Overloaded(f"all {self._max_streams} streams are taken")

    def _admit(self) -> None:
        if self.draining:
            STAGE_REFUSED.add(1, stage=self._service)
            raise errors.Draining

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def _abort(self, context: Any, error: BaseException) -> NoReturn:
        if isinstance(error, grpc.aio.AbortError):
            raise error
        cause = first_cause(error)
        if isinstance(cause, asyncio.CancelledError | KeyboardInterrupt | SystemExit):
            raise cause
        if isinstance(cause, errors.EngineDead):
            self._on_engine_dead()
        if isinstance(cause, errors.Overloaded | errors.NotReady) and not isinstance(cause, errors.Draining):
            STAGE_REFUSED.add(1, stage=self._service)
        trailing: tuple[tuple[str, str], ...] = ()
        if isinstance(cause, errors.Overloaded):
            delay = str(cause.retry_after_ms)
            trailing = ((RETRY_AFTER_KEY, delay), ("grpc-retry-pushback-ms", delay))
        if isinstance(cause, errors.Draining):
            trailing = ((DRAINING_KEY, "1"),)
        if isinstance(cause, errors.EngineFault):
            log.error("engine fault", exc_info=cause)
            await context.abort(status_of(cause), str(cause))
        if isinstance(cause, errors.ParleyError):
            log.info("stream refused or failed", extra={"error": type(cause).__name__, "detail": str(cause)})
            await context.abort(status_of(cause), str(cause), trailing)
        log.error("unexpected error", exc_info=cause)
        await context.abort(grpc.StatusCode.INTERNAL, f"unexpected {type(cause).__name__}: see the server's log")
        raise AssertionError("abort returned")
