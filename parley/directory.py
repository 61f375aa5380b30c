"""Which agents a server has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc.aio
from voice.orchestrator.v1 import orchestrator_pb2 as pb
from voice.orchestrator.v1 import orchestrator_pb2_grpc

from parley.rpc import explain, open_channel

DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class AgentListing:
    """An agent that can be called."""

    name: str
    description: str
    language: str
    tools: tuple[str, ...]
    languages: tuple[str, ...] = ()
    """All of them as BCP 47 tags, `language` the first."""


async def list_agents(target: str = "localhost:50050") -> list[AgentListing]:
    """Return the agents that can be called at `target`. Raises CallError."""
    async with open_channel(target) as channel:
        stub: Any = orchestrator_pb2_grpc.VoiceAgentStub(channel)
        try:
            response = await stub.ListAgents(pb.ListAgentsRequest(), timeout=DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            raise explain(error, target) from error
    return [
        AgentListing(
            info.name, info.description, info.language, tuple(info.tools), tuple(info.languages) or (info.language,)
        )
        for info in response.agents
    ]
