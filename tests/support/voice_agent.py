"""A VoiceAgent server that follows a script: a real grpc.aio server, for what talks to the orchestrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley import events
from parley.client import Conversation
from services.common.server import Rpc, register_rpcs
from services.common.settings import ServiceSettings
from tests.support.servers import serving

SERVICE = "voice.orchestrator.v1.VoiceAgent"
FRAME_MS = 20


class Line:
    """The server's end of one call, as a script sees it."""

    def __init__(self, requests: AsyncIterator[pb.ConverseRequest], context: Any) -> None:
        self._requests = requests
        self._context = context
        self.received: list[pb.ConverseRequest] = []
        self.start = pb.StartConversation()
        self.sample_rate_hz = 16000
        self.audio = bytearray()

    async def next(self) -> pb.ConverseRequest:
        """Return the next request; its audio is kept in `audio` too. Raises StopAsyncIteration after the last."""
        request = await anext(self._requests)
        self.received.append(request)
        for pcm in request.audio:
            self.audio += pcm
        return request

    async def control(self, kind: str) -> Any:
        """Return the next control of a kind, reading over audio and the others."""
        while True:
            request = await self.next()
            if request.WhichOneof("control") == kind:
                return getattr(request, kind)

    async def hear(self, duration_ms: float) -> None:
        """Read until that much more audio has come."""
        wanted = len(self.audio) + int(duration_ms * self.sample_rate_hz / 1000) * 2
        while len(self.audio) < wanted:
            await self.next()

    async def send(self, **event: Any) -> None:
        """Send one event, such as `send(pause_playback=pb.PausePlayback(turn_epoch=1))`."""
        await self._context.write(pb.ConverseResponse(**event))

    async def begin(self, session_id: str = "session-1") -> None:
        """Read the start message and answer `started`."""
        self.start = await self.control("start")
        self.sample_rate_hz = self.start.format.sample_rate_hz
        await self.send(started=pb.ConversationStarted(session_id=session_id, agent=self.start.agent))

    async def state(self, state: pb.ConversationState.ValueType, epoch: int) -> None:
        """Send a change of state."""
        await self.send(state_changed=pb.StateChanged(state=state, turn_epoch=epoch))

    async def speak(self, epoch: int, duration_ms: int, level: int = 8000) -> None:
        """Send that much audio of one turn in frames of 20 ms, as fast as it goes."""
        samples = self.sample_rate_hz * FRAME_MS // 1000
        frame = level.to_bytes(2, "little", signed=True) * samples
        for offset_ms in range(0, duration_ms, FRAME_MS):
            await self.send(audio=pb.AgentAudio(turn_epoch=epoch, offset_ms=offset_ms, pcm=frame))

    async def said(self, speaker: pb.Speaker.ValueType, text: str, epoch: int, is_final: bool = True) -> None:
        """Send a transcript."""
        transcript = pb.Transcript(speaker=speaker, text=text, turn_epoch=epoch, is_final=is_final, confidence=0.9)
        await self.send(transcript=transcript)

    async def ended(self, reason: pb.EndReason.ValueType = pb.END_REASON_CALLER) -> None:
        """End the call."""
        await self.send(ended=pb.ConversationEnded(reason=reason))


Script = Callable[[Line], Awaitable[None]]


class ScriptedAgent:
    """The service: each call runs the script. `lines` are the calls so far, for a test to look into."""

    name = "orchestrator"
    grpc_names: Sequence[str] = (SERVICE,)

    def __init__(self, script: Script, agents: Sequence[pb.AgentInfo] = ()) -> None:
        self._script = script
        self._agents = agents
        self.lines: list[Line] = []
        self.finished = asyncio.Event()

    def register(self, server: grpc.aio.Server) -> None:
        """Serve Converse and ListAgents."""
        register_rpcs(
            server,
            SERVICE,
            {
                "Converse": Rpc(self._converse, pb.ConverseRequest.FromString, pb.ConverseResponse.SerializeToString),
                "ListAgents": Rpc(
                    self._list, pb.ListAgentsRequest.FromString, pb.ListAgentsResponse.SerializeToString, False
                ),
            },
        )

    async def start(self) -> None:
        """Nothing to warm."""

    async def drain(self) -> None:
        """Nothing to drain."""

    async def close(self) -> None:
        """Nothing to release."""

    async def _converse(self, requests: AsyncIterator[pb.ConverseRequest], context: Any) -> None:
        line = Line(requests, context)
        self.lines.append(line)
        try:
            await self._script(line)
        except StopAsyncIteration:
            return  # the caller hung up
        finally:
            self.finished.set()

    async def _list(self, request: pb.ListAgentsRequest, context: Any) -> pb.ListAgentsResponse:
        return pb.ListAgentsResponse(agents=self._agents)


@asynccontextmanager
async def scripted(script: Script, agents: Sequence[pb.AgentInfo] = ()) -> AsyncIterator[tuple[ScriptedAgent, str]]:
    """Serve a script on a free port; yield the service and its host:port."""
    service = ScriptedAgent(script, agents)
    async with serving(service, ServiceSettings(port=0, drain_grace_ms=200)) as (server, _):
        yield service, f"127.0.0.1:{server.port}"


async def until(call: Conversation, kind: type[events.Event]) -> events.Event:
    """Return the next event of a kind; what comes before it is passed over."""
    async with asyncio.timeout(10):
        async for event in call:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the call ended without {kind.__name__}")
