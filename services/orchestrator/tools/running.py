"""Runs a call's tools to their end: the caller is told, the result is kept, and whatever goes wrong is a result too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common import metrics
from services.orchestrator import messages
from services.orchestrator.agent_tools import Prefetch
from services.orchestrator.history import History, ToolCall
from services.orchestrator.tools.ahead import Ahead
from services.orchestrator.tools.base import Tool, ToolError, ToolRequest
from services.orchestrator.tracing import CallTrace

log = logging.getLogger(__name__)

MARGIN_MS = 500
"""A tool keeps its own deadline; this much later it is given up whatever it does."""
CALL_ENDED = json.dumps({"error": "the call ended before the tool answered"})


@dataclass(frozen=True, slots=True)
class ToolHooks:
    """What the tools of a call need. All run on the event loop."""

    send: Callable[[bytes], None]
    """Tell the caller."""
    changed: Callable[[], None]
    """The history changed: keep it."""
    spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
    """(what, name): run it beside the call's replies; "tool-...": also for a while after the call."""
    reported: Callable[[], None]
    """A tool that reports later has its result in the history."""


class ToolRunner:
    """The tools of one call."""

    def __init__(
        self,
        tools: Mapping[str, Tool],
        rules: Sequence[Prefetch],
        history: History,
        session_id: str,
        hooks: ToolHooks,
        trace: CallTrace,
    ) -> None:
        self._tools = tools
        self._history = history
        self._session_id = session_id
        self._hooks = hooks
        self._trace = trace
        self.ahead = Ahead(tools, rules, session_id, self._within_its_time, hooks.spawn)
        """What is looked up before it is asked for."""

    def start(self, epoch: int, calls: Sequence[ToolCall]) -> dict[asyncio.Task[None], str]:
        """Run tools for turn `epoch`, each in a task of its own, which a cancelled reply leaves running.

        The result of each, or what went wrong, is in the history once its task is done. Returned are the tasks to wait
        for, with the tools' names: those of tools that report later are not among them.
        """
        awaited = {}
        for call in calls:
            tool = self._tools.get(call.name)
            task = self._hooks.spawn(self._run(epoch, call, tool), f"tool-{call.name}")
            if tool is None or not tool.reports_later:
                awaited[task] = call.name
        return awaited

    async def _run(self, epoch: int, call: ToolCall, tool: Tool | None) -> None:
        event = pb.ToolCallEvent(
            call_id=call.id,
            name=call.name,
            arguments_json=call.arguments_json,
            runs_at_client=tool is not None and tool.runs_at_client,
            status=pb.TOOL_CALL_STATUS_STARTED,
            turn_epoch=epoch,
        )
        self._hooks.send(messages.tool_call(event))
        began_s = time.monotonic()
        span = self._trace.tool_call(epoch, call.name, call.id, runs_at_client=event.runs_at_client)
        result, failed = CALL_ENDED, True
        try:
            result = await self._result(tool, call)
            event.status, event.result_json = pb.TOOL_CALL_STATUS_SUCCEEDED, result
            failed = False
        except Exception as error:  # a fault of ours, too, is a result: it must not end the call
            event.status, event.error = pb.TOOL_CALL_STATUS_FAILED, _told_of(error, call.name)
            result = json.dumps({"error": event.error})
        finally:
            span.end(failed=failed)
            self._keep(tool, call, result)
        event.duration_ms = round((time.monotonic() - began_s) * 1000)
        if tool is not None:
            outcome = "failed" if failed else "succeeded"
            metrics.TOOL_TIME.record((time.monotonic() - began_s) * 1000, kind=tool.kind, outcome=outcome)
        self._hooks.send(messages.tool_call(event))
        if tool is not None and tool.reports_later:
            self._hooks.reported()

    def _keep(self, tool: Tool | None, call: ToolCall, result: str) -> None:
        if tool is not None and tool.reports_later:
            self._history.add_report(call.id, result)
        else:
            self._history.add_result(call.id, result)
        self._hooks.changed()

    async def _result(self, tool: Tool | None, call: ToolCall) -> str:
        if tool is None:
            raise ToolError(f"there is no tool named {call.name}")
        try:
            arguments = json.loads(call.arguments_json)
        except ValueError as error:
            raise ToolError(f"the arguments for tool {call.name} are no JSON") from error
        except RecursionError as error:
            raise ToolError(f"the arguments for tool {call.name} are nested too deeply") from error
        if not tool.read_only:
            self.ahead.forget()
        try:
            found = await self.ahead.take(call.name, arguments)
            if found is None:
                found = await self._within_its_time(tool, ToolRequest(call.id, call.name, arguments, self._session_id))
        finally:
            if not tool.read_only:  # what was looked up while it ran may be of before, and a failure may have acted
                self.ahead.forget()
        self.ahead.tool_returned(call.name, arguments, found)
        return found

    def foresee(self, call: ToolCall) -> None:
        """Take a call that the model would make in an answer that may never be: what changes nothing is begun."""
        with contextlib.suppress(ValueError, RecursionError):
            self.ahead.look_up(call.name, json.loads(call.arguments_json))

    async def _within_its_time(self, tool: Tool, request: ToolRequest) -> str:
        try:
            async with asyncio.timeout((tool.timeout_ms + MARGIN_MS) / 1000):
                return await tool.run(request)
        except TimeoutError as error:
            raise ToolError(f"tool {tool.name} did not answer within {tool.timeout_ms} ms") from error
        except ToolError:
            raise
        except Exception as error:  # a tool's fault must not end the call
            log.exception("tool failed")
            raise ToolError(f"tool {tool.name} failed: {type(error).__name__}") from error


def _told_of(error: Exception, name: str) -> str:
    """Return what the model and the caller are told of a tool that failed."""
    if isinstance(error, ToolError):
        return str(error)
    log.error("tool failed", exc_info=error)
    return f"tool {name} failed: {type(error).__name__}"
