"""The life of a server: start, warm, serve, drain, stop. Every service's `__main__` calls `main`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from pydantic import ValidationError

from services.common.errors import ParleyError
from services.common.interceptors import ErrorInterceptor, first_cause
from services.common.logging import setup_logging
from services.common.metrics_export import is_on, setup_metrics, shutdown_metrics, watch_loop
from services.common.settings import ServiceSettings
from services.common.telemetry import setup_tracing, shutdown_tracing

log = logging.getLogger(__name__)

Settings = TypeVar("Settings", bound=ServiceSettings)

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LAST_WRITES_S = 0.25
"""Between the end of the last stream and the end of the server: its status is still on the way. Health watches and
reflection streams, which never end by themselves, are cut after it."""
CLOSE_TIMEOUT_S = 10
DEAD_ENGINE_GRACE_S = 1
GC_THRESHOLD = 5_000
"""Objects between two looks for garbage in cycles. Python's 700 is a look every few messages of a busy server."""


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC as it is registered.

    `behavior` is `async def (requests, context) -> None` for a bidirectional stream (it reads the async iterator and
    writes with `await context.write`), `async def (request, context) -> response` for a unary.
    """

    behavior: Callable[..., Awaitable[Any]]
    request_deserializer: Callable[[bytes], Any] | None
    response_serializer: Callable[[Any], bytes] | None
    is_stream: bool = True


def register_rpcs(server: grpc.aio.Server, grpc_name: str, rpcs: Mapping[str, Rpc]) -> None:
    """Serve `rpcs` (by method name) as the gRPC service `grpc_name`, such as "voice.asr.v1.StreamingAsr"."""
    handlers = {
        method: (grpc.stream_stream_rpc_method_handler if rpc.is_stream else grpc.unary_unary_rpc_method_handler)(
            rpc.behavior, rpc.request_deserializer, rpc.response_serializer
        )
        for method, rpc in rpcs.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(grpc_name, handlers),))


class Service(Protocol):
    """What a service gives to `Server`: how to warm, register, drain and close it."""

    name: str
    """Short name, such as "asr"."""
    grpc_names: Sequence[str]
    """Full names of its gRPC services, for health and reflection."""

    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicers to the server."""

    async def start(self) -> None:
        """Load and warm the engine; the server turns SERVING when this returns."""

    async def drain(self) -> None:
        """Tell clients and finish up, after health has turned NOT_SERVING and before streams are cut.

        New streams are refused meanwhile. Not called where the start failed.
        """

    async def close(self) -> None:
        """Release everything. Called last, and also after a failed start."""


@runtime_checkable
class Mortal(Protocol):
    """A service that can tell without being asked that its engine has died; one that cannot is asked by its callers."""

    async def wait_dead(self) -> str:
        """Return once the engine can serve no more, with the reason."""


class Server:
    """One gRPC server with health, reflection, error mapping and an orderly end. Tests use it in process, too."""

    def __init__(self, service: Service, settings: ServiceSettings) -> None:
        self._service = service
        self._settings = settings
        self._health = health.aio.HealthServicer()
        self._stop = asyncio.Event()
        self._engine_died = False
        self._started = False
        self._watching: list[asyncio.Task[None]] = []
        self.interceptor = ErrorInterceptor(settings.max_streams, self._on_engine_dead, service.name)
        self._server = grpc.aio.server(
            interceptors=[self.interceptor],
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.so_reuseport", int(settings.reuse_port)),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        self.port = 0

    async def start(self) -> None:
        """Listen (NOT_SERVING), warm the service, turn SERVING. Raises what the service's start raises."""
        service = self._service
        await self._set_health(NOT_SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        service.register(self._server)
        reflection.enable_server_reflection(
            [*service.grpc_names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )
        address = f"{self._settings.host}:{self._settings.port}"
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as refused:
            raise ParleyError(f"cannot listen on {address}: does another process use the port?") from refused
        await self._server.start()
        began = time.monotonic()
        await service.start()
        self._started = True
        if isinstance(service, Mortal):
            self._watching.append(asyncio.create_task(self._watch(service), name="engine-watch"))
        if is_on():
            self._watching.append(asyncio.create_task(watch_loop(), name="loop-watch"))
        await self._set_health(SERVING)
        log.info("serving", extra={"port": self.port, "warm_up_ms": round((time.monotonic() - began) * 1000)})

    async def wait(self) -> None:
        """Wait until `request_stop` is called or the engine dies."""
        await self._stop.wait()

    def request_stop(self) -> None:
        """Ask the server to drain and stop."""
        self._stop.set()

    async def stop(self) -> None:
        """NOT_SERVING, then drain, then cut what is left after the grace, then close the service.

        One grace for draining and open streams together; an engine that died gets a short one.
        """
        grace_s = self._settings.drain_grace_ms / 1000
        if self._engine_died:
            grace_s = min(grace_s, DEAD_ENGINE_GRACE_S)
        self.interceptor.draining = True
        for watching in self._watching:
            watching.cancel()
        await self._set_health(NOT_SERVING)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    if self._started:
                        await self._service.drain()
                    await self.interceptor.wait_idle()
        except Exception:
            log.exception("draining failed; streams are cut")
        finally:
            await self._server.stop(min(grace_s, LAST_WRITES_S))
            await self._close()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.interceptor.wait_idle()  # streams that were cut release what they hold, then the engine goes
                await self._service.close()
        except TimeoutError:
            log.error("the service did not close in time", extra={"timeout_s": CLOSE_TIMEOUT_S})

    @property
    def engine_died(self) -> bool:
        """Whether the server stopped because its engine died."""
        return self._engine_died

    async def _watch(self, service: Mortal) -> None:
        log.critical("the engine is dead", extra={"reason": await service.wait_dead()})
        self._on_engine_dead()

    def _on_engine_dead(self) -> None:
        self._engine_died = True
        self._stop.set()

    async def _set_health(self, status: int) -> None:
        for name in ("", *self._service.grpc_names):
            await self._health.set(name, status)


async def _start(server: Server, service: Service, settings: ServiceSettings) -> None:
    setup_metrics(service.name, host=settings.host, port=settings.metrics_port, otlp_endpoint=settings.otlp_endpoint)
    await server.start()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: a full collection in the middle of a turn need not walk it
    gc.set_threshold(GC_THRESHOLD)


async def _serve(service: Service, settings: ServiceSettings) -> int:
    server = Server(service, settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.request_stop)
    starting = asyncio.create_task(_start(server, service, settings), name="start")
    stopping = asyncio.create_task(server.wait(), name="stop-requested")
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopping
        log.info("draining")
    except Exception as error:
        cause = first_cause(error)
        if not isinstance(cause, ParleyError):
            raise
        log.error("cannot start: %s", cause)
        return 2
    finally:
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        await server.stop()
    return 1 if server.engine_died else 0


def main(make_service: Callable[[Settings], Service], settings_class: type[Settings]) -> None:
    """Run a service as this process, as `run` does; every service's `__main__` calls this.

    A setting that cannot be used is told by the name of its variable, without a traceback and without its value; the
    exit status is then 2, as it is where the service cannot start.
    """
    try:
        settings = settings_class()
        service = make_service(settings)
    except (ValidationError, ParleyError) as error:
        print("\n".join(_unusable(error, settings_class)), file=sys.stderr)  # noqa: T201 - no settings, so no log yet
        sys.exit(2)
    run(service, settings)


def _unusable(error: ValidationError | ParleyError, settings_class: type[ServiceSettings]) -> list[str]:
    if isinstance(error, ParleyError):
        return [f"cannot start: {error}"]
    prefix = settings_class.model_config.get("env_prefix", "")
    return [
        f"cannot start: {prefix}{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    ]


def run(service: Service, settings: ServiceSettings) -> None:
    """Run a service as this process until SIGTERM, on uvloop where there is one; exit non-zero where it failed."""
    setup_logging(service.name, settings.log_level, settings.log_format)
    setup_tracing(service.name, settings.otlp_endpoint)
    log.info("starting", extra={"settings": settings.redacted()})
    try:
        sys.exit(_runner()(_serve(service, settings)))
    finally:
        shutdown_metrics()
        shutdown_tracing()


def _runner() -> Callable[[Coroutine[Any, Any, int]], int]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run
