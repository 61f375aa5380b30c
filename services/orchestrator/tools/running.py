"""Runs one tool call to its end: the caller is told, the result is kept, and whatever goes wrong is a result too."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping

from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.orchestrator import messages
from services.orchestrator.history import History, ToolCall
from services.orchestrator.tools.base import Tool, ToolError, ToolRequest
from services.orchestrator.tracing import CallTrace

log = logging.getLogger(__name__)

MARGIN_MS = 500
"""A tool keeps its own deadline; this much later it is given up whatever it does."""


class ToolRunner:
    """The tools of one call."""

    def __init__(
        self,
        tools: Mapping[str, Tool],
        history: History,
        session_id: str,
        send: Callable[[bytes], None],
        changed: Callable[[], None],
        trace: CallTrace,
    ) -> None:
        self._tools = tools
        self._history = history
        self._session_id = session_id
        self._send = send
        self._changed = changed
        self._trace = trace

    async def run(self, epoch: int, call: ToolCall) -> None:
        """Run a tool for turn `epoch`; its result, or what went wrong, is in the history afterwards."""
        tool = self._tools.get(call.name)
        event = pb.ToolCallEvent(
            call_id=call.id,
            name=call.name,
            arguments_json=call.arguments_json,
            runs_at_client=tool is not None and tool.runs_at_client,
            status=pb.TOOL_CALL_STATUS_STARTED,
            turn_epoch=epoch,
        )
        self._send(messages.tool_call(event))
        began_s = time.monotonic()
        span = self._trace.tool_call(epoch, call.name, call.id, runs_at_client=event.runs_at_client)
        failed = True
        try:
            result = await self._result(tool, call)
            event.status, event.result_json = pb.TOOL_CALL_STATUS_SUCCEEDED, result
            failed = False
        except ToolError as error:
            result = json.dumps({"error": str(error)})
            event.status, event.error = pb.TOOL_CALL_STATUS_FAILED, str(error)
        finally:
            span.end(failed=failed)
        event.duration_ms = round((time.monotonic() - began_s) * 1000)
        self._send(messages.tool_call(event))
        self._history.add_result(call.id, result)
        self._changed()

    async def _result(self, tool: Tool | None, call: ToolCall) -> str:
        if tool is None:
            raise ToolError(f"there is no tool named {call.name}")
        try:
            arguments = json.loads(call.arguments_json)
            async with asyncio.timeout((tool.timeout_ms + MARGIN_MS) / 1000):
                return await tool.run(ToolRequest(call.id, call.name, arguments, self._session_id))
        except TimeoutError as error:
            raise ToolError(f"tool {call.name} did not answer within {tool.timeout_ms} ms") from error
        except ValueError as error:
            raise ToolError(f"the arguments for tool {call.name} are no JSON") from error
        except ToolError:
            raise
        except Exception as error:  # a tool's fault must not end the call
            log.exception("tool failed")
            raise ToolError(f"tool {call.name} failed: {type(error).__name__}") from error
