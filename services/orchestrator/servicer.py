"""The VoiceAgent service: proto on one side, calls on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
import httpx
from google.protobuf.message import DecodeError
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common import spans
from services.common.errors import InvalidInput, NotReady
from services.common.limits import first_request
from services.common.server import Rpc, register_rpcs
from services.common.telemetry import current_span, incoming_context
from services.orchestrator.agent import Agent
from services.orchestrator.agents import AgentBook
from services.orchestrator.calls import Calls
from services.orchestrator.metering import metered
from services.orchestrator.sessions.store import MemoryStore, SessionStore
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.stages.channels import Stages
from services.orchestrator.tools.mcp_servers import McpServers
from services.orchestrator.wording.normalise import normaliser

GRPC_NAME = "voice.orchestrator.v1.VoiceAgent"
FIRST_MESSAGE_MS = 10_000


class OrchestratorService:
    """Everything the orchestrator's server runs."""

    name = "orchestrator"
    grpc_names: Sequence[str] = (GRPC_NAME,)

    def __init__(self, settings: OrchestratorSettings) -> None:
        self._settings = settings
        self._stages = Stages(settings)
        self._monitor: asyncio.Task[None] | None = None
        self._calls: Calls | None = None
        self._store: SessionStore | None = None
        self._http: httpx.AsyncClient | None = None
        self._mcp: McpServers | None = None

    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicer. Converse takes and gives bytes: most of its messages are audio that nobody here reads."""
        register_rpcs(
            server,
            GRPC_NAME,
            {
                "Converse": Rpc(self._converse, None, None),
                "ListAgents": _unary(self._list_agents, pb.ListAgentsRequest, pb.ListAgentsResponse),
                "GetSession": _unary(self._get_session, pb.GetSessionRequest, pb.GetSessionResponse),
                "EndSession": _unary(self._end_session, pb.EndSessionRequest, pb.EndSessionResponse),
            },
        )

    async def start(self) -> None:
        """Read the agents, then wait for the four stages, in whatever order they come up."""
        self._http = httpx.AsyncClient(limits=httpx.Limits(max_connections=200, max_keepalive_connections=50))
        self._store = _store(self._settings)
        self._stages.open()
        agents = AgentBook.load(self._settings.agents_dir)
        for tag in {tag for agent in agents.all() for tag in agent.language_tags}:
            normaliser(tag)  # now, and not in the middle of a call
        self._mcp = McpServers(agents.all())
        self._calls = Calls(agents, self._stages, self._store, self._http, self._mcp)
        self._monitor = asyncio.create_task(self._stages.monitor(), name="stage-health")
        await asyncio.gather(self._stages.wait_until_serving(), self._mcp.start())

    async def drain(self) -> None:
        """Tell the callers, and wait for them to hang up."""
        if self._calls is not None:
            await self._calls.drain(self._settings.drain_grace_ms)

    async def close(self) -> None:
        """Release channels and connections."""
        if self._monitor is not None:
            self._monitor.cancel()
            await asyncio.gather(self._monitor, return_exceptions=True)
        await self._stages.close()
        if self._mcp is not None:
            await self._mcp.close()
        if self._http is not None:
            await self._http.aclose()
        if self._store is not None:
            await self._store.close()

    # --- RPCs ---------------------------------------------------------------------------------------------------------

    @property
    def _open_calls(self) -> Calls:
        if self._calls is None:
            raise NotReady("the server is starting: try again in a moment")
        return self._calls

    async def _converse(self, requests: AsyncIterator[bytes], context: Any) -> None:
        caller_trace = incoming_context(context.invocation_metadata())
        with metered() as meter:
            start = await _first(requests)
            with current_span(spans.CONVERSATION, caller_trace):
                await self._open_calls.hold(start, requests, context.write, meter)

    async def _list_agents(self, request: pb.ListAgentsRequest, context: Any) -> pb.ListAgentsResponse:
        agents = [
            pb.AgentInfo(
                name=agent.name,
                description=agent.description,
                language=agent.language,
                tools=self._tool_names(agent),
                languages=agent.language_tags,
            )
            for agent in self._open_calls.agents.all()
        ]
        return pb.ListAgentsResponse(agents=agents)

    def _tool_names(self, agent: Agent) -> list[str]:
        """Return an agent's own tools, and those that its servers offer it now."""
        served = self._mcp.tools_of(agent) if self._mcp is not None else []
        return list(dict.fromkeys([tool.name for tool in agent.tools] + [tool.name for tool in served]))

    async def _get_session(self, request: pb.GetSessionRequest, context: Any) -> pb.GetSessionResponse:
        return await self._open_calls.describe(request.session_id)

    async def _end_session(self, request: pb.EndSessionRequest, context: Any) -> pb.EndSessionResponse:
        await self._open_calls.end(request.session_id)
        return pb.EndSessionResponse()


def _unary(behavior: Any, request: Any, response: Any) -> Rpc:
    return Rpc(behavior, request.FromString, response.SerializeToString, is_stream=False)


def _store(settings: OrchestratorSettings) -> SessionStore:
    if not settings.redis_url:
        return MemoryStore(settings.session_ttl_s)
    from services.orchestrator.sessions.redis import RedisStore

    return RedisStore(settings.redis_url, settings.session_ttl_s)


async def _first(requests: AsyncIterator[bytes]) -> pb.StartConversation:
    first = await first_request(requests, FIRST_MESSAGE_MS, "start")
    if first is None:
        raise InvalidInput("the stream closed before start")
    try:
        request = pb.ConverseRequest.FromString(first)
    except DecodeError:
        raise InvalidInput("the first message is no ConverseRequest") from None
    if request.WhichOneof("control") != "start":
        raise InvalidInput("the first message must carry start: which agent, which audio format")
    if request.audio:
        raise InvalidInput("the first message carries start alone; send audio once `started` came")
    return request.start
