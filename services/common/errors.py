"""One error hierarchy for every service; `interceptors.py` maps it to gRPC status, and nothing else does.

Engines raise these and never import grpc:

    ParleyError
    +-- InvalidInput        the client sent something unusable           INVALID_ARGUMENT
    +-- NotFound            no such agent, session or voice              NOT_FOUND
    +-- Overloaded          full; come back after retry_after_ms         RESOURCE_EXHAUSTED
    +-- NotReady            not warm yet                                 UNAVAILABLE
    |   +-- Draining        about to stop, in good order                 UNAVAILABLE
    +-- TimedOut            a wait outran its deadline                   DEADLINE_EXCEEDED
    +-- EngineFault         this request failed; the engine lives        INTERNAL
        +-- EngineDead      the engine is gone: NOT_SERVING and exit     INTERNAL
"""

from __future__ import annotations


class ParleyError(Exception):
    """Base of every error that a service tells its client. The message says what to do about it."""


class InvalidInput(ParleyError):
    """The client sent something that cannot be used."""


class NotFound(ParleyError):
    """What the client named does not exist."""


class Overloaded(ParleyError):
    """The service is full. Refused early, never queued into silence."""

    def __init__(self, message: str, retry_after_ms: int = 1000) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class NotReady(ParleyError):
    """The service is warming up, or about to stop."""


class Draining(NotReady):
    """The service is about to stop, in good order: nothing failed, and another one, or its successor, takes over."""

    def __init__(self, message: str = "the server is about to stop: connect again, to another one") -> None:
        super().__init__(message)


class TimedOut(ParleyError):
    """A wait outran its deadline."""


class EngineFault(ParleyError):
    """One request failed inside the engine; others go on."""


class EngineDead(EngineFault):
    """The engine cannot serve any more: the server turns NOT_SERVING and exits, to be started afresh."""
