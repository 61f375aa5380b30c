"""The whole of Parley in the test's own process: four stages with fake engines and a real orchestrator, over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from parley import ports
from services.asr.servicer import AsrService
from services.asr.settings import AsrSettings
from services.common.server import Server
from services.llm.servicer import LlmService
from services.llm.settings import LlmSettings
from services.orchestrator.servicer import OrchestratorService
from services.orchestrator.settings import OrchestratorSettings
from services.tts.servicer import TtsService
from services.tts.settings import TtsSettings
from services.turn.servicer import TurnService
from services.turn.settings import TurnSettings

SERVICES: dict[str, tuple[Any, Any]] = {
    "asr": (AsrService, AsrSettings),
    "turn": (TurnService, TurnSettings),
    "llm": (LlmService, LlmSettings),
    "tts": (TtsService, TtsSettings),
}

AGENT = """
name: tester
description: An agent for tests.
greeting: "Hello there."
prompt: You are a test.
voice: {name: en-us}
phrases:
  apology: "Sorry, something went wrong."
  not_heard: "I did not hear you."
  idle_prompt: "Are you there?"
  goodbye: "Goodbye now."
"""


@dataclass
class Stack:
    """Running servers by name, and a channel to the orchestrator."""

    channel: grpc.aio.Channel
    servers: dict[str, Server]
    started: list[Server]
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    spare_ports: dict[str, int] = field(default_factory=dict)
    """By stage, the port of a second address of it that the orchestrator knows."""

    @property
    def address(self) -> str:
        """Where the orchestrator listens."""
        return f"127.0.0.1:{self.servers['orchestrator'].port}"

    async def kill(self, stage: str) -> int:
        """Stop a stage at once, without draining; return the port it had."""
        server = self.servers[stage]
        port = server.port
        await server._server.stop(0)
        return port

    async def revive(self, stage: str, port: int, **settings: Any) -> None:
        """Start a stage again on the port it had."""
        service, settings_class = SERVICES[stage]
        merged = {"engine": "fake", "host": "127.0.0.1"} | self.settings.get(stage, {}) | settings | {"port": port}
        made = settings_class(**merged)
        self.servers[stage] = await _start(self.started, Server(service(made), made))


async def _start(started: list[Server], server: Server) -> Server:
    started.append(server)
    await server.start()
    return server


def _target(port: int, spare: int | None) -> str:
    return f"127.0.0.1:{port}" if spare is None else f"ipv4:127.0.0.1:{port},127.0.0.1:{spare}"


@asynccontextmanager
async def stack(
    agents_dir: Path,
    *,
    agent: str = AGENT,
    orchestrator: dict[str, Any] | None = None,
    has_spares: bool = False,
    **stages: dict[str, Any],
) -> AsyncIterator[Stack]:
    """Start everything on free ports; `stages` holds settings by stage name, `orchestrator` its own.

    With `has_spares` the orchestrator knows two addresses of each stage, and nothing listens on the second yet.
    """
    (agents_dir / "tester.yaml").write_text(agent)
    quick = {"drain_grace_ms": 200, "host": "127.0.0.1", "port": 0}
    started: list[Server] = []
    servers: dict[str, Server] = {}
    reserved = ExitStack()
    try:
        for stage, (service, settings_class) in SERVICES.items():
            settings = settings_class(**(quick | {"engine": "fake"} | stages.get(stage, {})))
            servers[stage] = await _start(started, Server(service(settings), settings))
        spares = reserved.enter_context(ports.reserved(SERVICES)) if has_spares else {}
        targets = {f"{stage}_target": _target(servers[stage].port, spares.get(stage)) for stage in SERVICES}
        chosen: dict[str, Any] = quick | targets | {"agents_dir": agents_dir} | (orchestrator or {})
        own = OrchestratorSettings(**chosen)
        servers["orchestrator"] = await _start(started, Server(OrchestratorService(own), own))
        kept = {stage: quick | stages.get(stage, {}) for stage in SERVICES}
        async with grpc.aio.insecure_channel(f"127.0.0.1:{servers['orchestrator'].port}") as channel:
            yield Stack(channel, servers, started, kept, spares)
    finally:
        reserved.close()
        await asyncio.gather(*(server.stop() for server in started))
