"""Channels to the servers, and what their gRPC errors mean to a caller."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import grpc
import grpc.aio

from parley.errors import CallError, CallLost, CallRefused, ServerBusy, ServerUnreachable

_OPTIONS = [
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
]
_REFUSALS = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
)
_INVENTED = "Internal error from Core"
_STATUS_WAIT_S = 0.3
_RETRY_AFTER_KEY = "retry-after-ms"


def open_channel(target: str) -> grpc.aio.Channel:
    """Return a channel to host:port, without TLS; broken connections are noticed within 25 s."""
    return grpc.aio.insecure_channel(target, options=_OPTIONS)


class TrueStatus:
    """Knows the status that a stream really ended with.

    Where a write is in flight as the server closes, grpc.aio sets the status INTERNAL "Internal error from Core" of its
    own, before or after the one the server sent (seen with 1.85, in 2 to 5 % of closings under constant writing).
    """

    def __init__(self, stream: Any) -> None:
        self._status: tuple[grpc.StatusCode, str, Any] | None = None
        self._known = asyncio.Event()
        stream.add_done_callback(self._keep)

    async def of(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError | None:
        """Return the error to believe where reading raised `error`; None where the stream really ended well."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._known.wait(), _STATUS_WAIT_S)
        if self._status is None:
            return error
        code, details, trailing = self._status
        if code is grpc.StatusCode.OK:
            return None
        return grpc.aio.AioRpcError(code, error.initial_metadata(), trailing or error.trailing_metadata(), details)

    def _keep(self, stream: Any) -> None:
        details = _result(stream.details())
        if details != _INVENTED and not self._known.is_set():
            self._status = (_result(stream.code()), details, _result(stream.trailing_metadata()))
            self._known.set()


def _result(finished: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that has nothing to wait for."""
    try:
        finished.send(None)
    except StopIteration as end:
        return end.value
    finished.close()
    raise RuntimeError("the stream is done, but its status is not there")


def explain(error: grpc.aio.AioRpcError, target: str, *, was_up: bool = False, session_id: str = "") -> CallError:
    """Return the exception that stands for a gRPC error. `was_up`: the call had started when it came."""
    detail = error.details() or error.code().name
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return CallRefused(f"what answers at {target} is no orchestrator ({detail}): name another with --server")
    if error.code() in _REFUSALS:
        return CallRefused(detail)
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        delay = next((value for key, value in error.trailing_metadata() or () if key == _RETRY_AFTER_KEY), "1000")
        retry_after_ms = int(delay)
        return ServerBusy(f"{detail}; try again in {retry_after_ms / 1000:.1f} s", retry_after_ms)
    if was_up:
        again = f"; resume it with session_id={session_id!r} (--resume)" if session_id else ""
        return CallLost(f"the connection to {target} broke ({detail}){again}", session_id)
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return ServerUnreachable(unreachable_text(target, detail))
    return CallError(f"{target} answered {error.code().name}: {detail}")


def unreachable_text(target: str, detail: str) -> str:
    """Return the advice for a server that does not answer."""
    return f"no voice agent answers at {target} ({detail}): start it with `parley up`, or name another with --server"
