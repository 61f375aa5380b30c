"""Tools that run at the caller's end: called over the conversation's own stream."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable

from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.errors import InvalidInput
from services.orchestrator.agent_tools import check_object_schema
from services.orchestrator.tools.base import Tool, ToolError, ToolRequest, check_result

DEFAULT_TIMEOUT_MS = 10_000
MAX_TIMEOUT_MS = 30_000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ClientTools:
    """The client's tools of one conversation, and the results that are awaited."""

    def __init__(self, definitions: Iterable[pb.ClientTool], taken: Iterable[str]) -> None:
        """Validate the client's definitions. Raises InvalidInput that names the tool at fault."""
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self.tools: list[Tool] = []
        names = set(taken)
        for definition in definitions:
            if not _NAME.fullmatch(definition.name):
                raise InvalidInput(
                    f"client tool {definition.name[:80]!r}: the name must be [A-Za-z0-9_-], 1 to 64 of them"
                )
            if definition.name in names:
                raise InvalidInput(f"client tool {definition.name!r}: the name is taken")
            names.add(definition.name)
            self.tools.append(self._tool(definition))

    def _tool(self, definition: pb.ClientTool) -> Tool:
        try:
            schema = json.loads(definition.parameters_json_schema)
            check_object_schema(schema)
        except (ValueError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"client tool {definition.name!r}: parameters_json_schema: {error}") from error
        timeout_ms = min(definition.timeout_ms or DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS)

        async def run(request: ToolRequest) -> str:
            answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._waiting[request.call_id] = answer
            try:
                async with asyncio.timeout(timeout_ms / 1000):
                    return await answer
            except TimeoutError as error:
                raise ToolError(f"the client did not answer within {timeout_ms} ms") from error
            finally:
                self._waiting.pop(request.call_id, None)

        return Tool(
            definition.name, definition.description, schema, timeout_ms, run, runs_at_client=True, kind="client"
        )

    def on_result(self, result: pb.ToolResult) -> None:
        """Take a result from the client. Raises InvalidInput where none is awaited or it is no JSON."""
        answer = self._waiting.get(result.call_id)
        if answer is None or answer.done():
            raise InvalidInput(f"tool_result for call {result.call_id!r}: no such call is waiting")
        if result.error:
            answer.set_exception(ToolError(f"the client's tool failed: {result.error[:200]}"))
            return
        try:
            answer.set_result(check_result(result.result_json, "the client's tool"))
        except ToolError as error:
            answer.set_exception(error)
