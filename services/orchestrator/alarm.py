"""The one deadline that the state machine stands under."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from services.orchestrator import events as ev
from services.orchestrator.deadlines import Deadlines
from services.orchestrator.turn_state import TurnState, watchdog

log = logging.getLogger(__name__)


class Alarm:
    """Starts anew with each sign of progress, and tells when it expires."""

    def __init__(self, deadlines: Deadlines, dispatch: Callable[[ev.Event], None]) -> None:
        self._deadlines = deadlines
        self._dispatch = dispatch
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._key: object = None

    def set(self, state: TurnState) -> None:
        """Wait for what `state` waits for."""
        dog = watchdog(state)
        key = (dog, state.epoch, state.utterance, state.activity)
        if key == self._key:
            return
        self.stop()
        self._key = key
        if dog is not None:
            self._timer = self._loop.call_later(self._deadlines.of(dog) / 1000, self._expire, dog)

    def _expire(self, dog: ev.Watchdog) -> None:
        log.info("watchdog", extra={"waited_for": dog.value})
        self._key = None
        self._dispatch(ev.WatchdogExpired(dog))

    def stop(self) -> None:
        """Wait for nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
