"""Look-ups made before the model asks for them: which, when, and how long what they returned counts.

Only tools that change nothing are run ahead. A result waits for RESULTS_LAST_S under its tool and arguments, serves one
call, and is thrown away as soon as a tool runs that may change something.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.common import metrics
from services.orchestrator.agent_tools import AFTER_START, AFTER_TURN, ARGUMENTS, RESULT, Prefetch, is_taken
from services.orchestrator.tools.base import Tool, ToolError, ToolRequest

RESULTS_LAST_S = 30.0
MAX_WAITING = 8
"""Results of one call that wait or are being made: the oldest goes first."""

Run = Callable[[Tool, ToolRequest], Coroutine[Any, Any, str]]
Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
_MISSING = object()


@dataclass(frozen=True, slots=True)
class _LookUp:
    began_s: float
    result: asyncio.Future[str | None]
    """None: it failed, or was given up."""


class Ahead:
    """One call's look-ups."""

    def __init__(
        self,
        tools: Mapping[str, Tool],
        rules: Sequence[Prefetch],
        session_id: str,
        run: Run,
        spawn: Spawn,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`run` runs a tool within its deadline, and raises ToolError."""
        self._tools = tools
        self._rules = rules
        self._session_id = session_id
        self._run = run
        self._spawn = spawn
        self._clock = clock
        self._waiting: dict[tuple[str, str], _LookUp] = {}
        self._made = 0

    # --- when ---------------------------------------------------------------------------------------------------------

    def call_began(self) -> None:
        """Look up what is likely to be wanted first."""
        self._follow(AFTER_START, {}, None)

    def turn_ended(self) -> None:
        """Look up what is likely to be wanted next, now that an answer was heard."""
        self._follow(AFTER_TURN, {}, None)

    def tool_returned(self, name: str, arguments: Mapping[str, Any], result: str) -> None:
        """Look up what is likely to be wanted after a tool; `result` is its JSON text."""
        if any(rule.after == name for rule in self._rules):
            self._follow(name, arguments, json.loads(result))

    def _follow(self, after: str, arguments: Mapping[str, Any], result: Any) -> None:
        for rule in self._rules:
            if rule.after == after and (taken := _taken(rule, arguments, result)) is not None:
                self.look_up(rule.tool, taken)

    # --- what ---------------------------------------------------------------------------------------------------------

    def look_up(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Begin to run a tool that is likely to be called so. A tool that may change something is left alone."""
        tool = self._tools.get(name)
        if tool is None or not tool.read_only:
            return
        self._forget_old()
        key = _key(name, arguments)
        if key in self._waiting:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._discard(next(iter(self._waiting)))
        self._made += 1
        request = ToolRequest(f"ahead-{self._made}", name, arguments, self._session_id)
        made = self._waiting[key] = _LookUp(self._clock(), asyncio.get_running_loop().create_future())
        task = self._spawn(self._make(tool, request, made.result), f"ahead-{name}")
        task.add_done_callback(lambda _: _settle(made.result, None))  # however it ended

    async def _make(self, tool: Tool, request: ToolRequest, result: asyncio.Future[str | None]) -> None:
        with contextlib.suppress(ToolError):
            _settle(result, await self._run(tool, request))

    async def take(self, name: str, arguments: Mapping[str, Any]) -> str | None:
        """Return what was looked up for this call, once it is there; None where nothing was, or it failed."""
        self._forget_old()
        made = self._waiting.pop(_key(name, arguments), None)
        if made is None:
            return None
        found = await made.result
        metrics.TOOL_AHEAD.add(1, outcome="failed" if found is None else "hit")
        return found

    def forget(self) -> None:
        """Throw away what was looked up: something may have changed."""
        for key in list(self._waiting):
            self._discard(key)

    def _forget_old(self) -> None:
        oldest_s = self._clock() - RESULTS_LAST_S
        for key in [key for key, made in self._waiting.items() if made.began_s < oldest_s]:
            self._discard(key)

    def _discard(self, key: tuple[str, str]) -> None:
        self._waiting.pop(key).result.cancel()
        metrics.TOOL_AHEAD.add(1, outcome="discarded")


def _settle(result: asyncio.Future[str | None], found: str | None) -> None:
    if not result.done():
        result.set_result(found)


def _key(name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
    return name, json.dumps(arguments, sort_keys=True, separators=(",", ":"))


def _taken(rule: Prefetch, arguments: Mapping[str, Any], result: Any) -> dict[str, Any] | None:
    """Return a rule's arguments, those of another call filled in; None where one of them is not there."""
    sources = {ARGUMENTS: arguments, RESULT: result}
    taken = {
        name: _at(sources, value.split(".")) if is_taken(value) else value for name, value in rule.arguments.items()
    }
    return None if any(value is _MISSING for value in taken.values()) else taken


def _at(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _MISSING
    return value
