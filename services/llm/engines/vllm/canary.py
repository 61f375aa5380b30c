"""Notices an engine that has died, or that lives and makes nothing: a probe of one token sings or does not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from services.common.errors import EngineDead

log = logging.getLogger(__name__)

LOOK_S = 0.25
"""How often an engine that says itself that it is dead is noticed: long before the next caller is."""


class Canary:
    """Watches one engine. `probe` asks it for one token, first in its queue.

    It is probed only after `idle_ms` in which it made nothing for anybody: under load the calls are the probe. A probe
    that takes longer than `timeout_ms`, while nothing else was made either, or that fails twice, means that it is dead.
    """

    def __init__(self, probe: Callable[[], Awaitable[None]], idle_ms: int, timeout_ms: int) -> None:
        self._probe = probe
        self._idle_s = idle_ms / 1000
        self._timeout_ms = timeout_ms
        self._last_s = time.monotonic()

    def sang(self) -> None:
        """Note that the engine has just made something."""
        self._last_s = time.monotonic()

    async def watch(self, is_dead: Callable[[], bool]) -> str:
        """Return once the engine is dead, with what was seen; `is_dead` is its own word."""
        failures = 0
        while not is_dead():
            quiet_s = time.monotonic() - self._last_s
            if quiet_s < self._idle_s:
                await asyncio.sleep(min(self._idle_s - quiet_s, LOOK_S))
                continue
            silent_since_s = self._last_s
            try:
                async with asyncio.timeout(self._timeout_ms / 1000):
                    await self._probe()
            except TimeoutError:
                if self._last_s == silent_since_s:
                    return f"vLLM made no token for {self._timeout_ms} ms: it is stuck"
                continue
            except EngineDead as dead:
                return str(dead)
            except Exception as fault:
                failures += 1
                log.warning("the engine failed a probe", extra={"failures": failures})
                if failures > 1:
                    return f"vLLM failed {failures} probes: {fault}"
                continue
            failures = 0
            self.sang()
        return "vLLM's process has died: its own log says of what"
