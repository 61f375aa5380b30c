"""All calls of this process: who is live, how a call begins, is resumed and ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common import logging as context
from services.common.audio import AudioFormat, check_format
from services.common.errors import InvalidInput, NotFound, NotReady
from services.orchestrator.agent import Agent
from services.orchestrator.agents import AgentBook
from services.orchestrator.canned import CannedSpeech
from services.orchestrator.events import CloseReason
from services.orchestrator.languages import CallLanguages
from services.orchestrator.metering import CallMeter
from services.orchestrator.session import Session
from services.orchestrator.sessions.keeper import Keeper
from services.orchestrator.sessions.store import SessionRecord, SessionStore, StoreUnavailable
from services.orchestrator.setup import CallSetup
from services.orchestrator.speculation import SpeculationBudget
from services.orchestrator.stages.channels import Stages
from services.orchestrator.tools.client import ClientTools
from services.orchestrator.tools.mcp_servers import McpServers
from services.orchestrator.tools.offered import offered

log = logging.getLogger(__name__)

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
HANDOVER_S = 3.0


class Calls:
    """Begins calls, finds live ones, and winds them up."""

    def __init__(
        self, agents: AgentBook, stages: Stages, store: SessionStore, http: httpx.AsyncClient, mcp: McpServers
    ) -> None:
        self._agents = agents
        self._stages = stages
        self._store = store
        self._http = http
        self._mcp = mcp
        self._canned = CannedSpeech(stages)
        self._speculation = SpeculationBudget(stages.settings.speculation_max_open)
        self._live: dict[str, Session] = {}
        self._none_live = asyncio.Event()
        self._none_live.set()
        self._is_draining = False

    @property
    def agents(self) -> AgentBook:
        """The agents that can be called."""
        return self._agents

    async def hold(
        self,
        start: pb.StartConversation,
        requests: AsyncIterator[bytes],
        write: Callable[[bytes], Awaitable[None]],
        meter: CallMeter,
    ) -> None:
        """Hold one call to its end. Raises InvalidInput, NotFound or NotReady where it cannot begin."""
        self._refuse_when_draining()
        audio_format = check_format(start.format.sample_rate_hz, start.format.encoding)
        record, is_resumed = await self._record(start)
        self._refuse_when_draining()  # what began while the record was read: this call would be told by nobody
        setup = self._setup(start, record, is_resumed, audio_format)
        context.session_id.set(record.session_id)
        keeper = Keeper(self._store, lambda: session.store_failed())
        session = Session(setup, self._stages, self._canned, self._speculation, keeper, meter)
        context.turn_epoch.set(lambda: session.epoch)
        keeping = asyncio.create_task(keeper.run(), name="keeper")
        self._live[record.session_id] = session
        self._none_live.clear()
        try:
            await session.run(requests, write)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            if self._live.get(record.session_id) is session:  # it was not ended and forgotten by the API
                del self._live[record.session_id]
                await asyncio.shield(keeper.flush())
            session.closed.set()
            if not self._live:
                self._none_live.set()

    def _refuse_when_draining(self) -> None:
        if self._is_draining:
            raise NotReady("this server is about to stop: call again, another will answer")

    async def _record(self, start: pb.StartConversation) -> tuple[SessionRecord, bool]:
        if not start.session_id:
            return SessionRecord(uuid.uuid4().hex, self._agents.get(start.agent).name), False
        if not _SESSION_ID.fullmatch(start.session_id):
            raise InvalidInput("session_id is none of ours: leave it empty for a new session")
        record = await self._taken_over(start.session_id)
        if record is None:
            raise NotFound("no session of that id, or its idle time has passed: leave session_id empty for a new one")
        if start.agent and start.agent != record.agent:
            raise InvalidInput(f"the session belongs to agent {record.agent!r}: leave agent empty to resume it")
        return record, True

    async def _taken_over(self, session_id: str) -> SessionRecord | None:
        """Return the record of a session that is live in no other connection any more; None where there is none."""
        seen: Session | None = None
        while True:
            if (live := self._live.get(session_id)) is not None:
                seen = live
                await self._end_elsewhere(live)
            try:
                record = await self._store.load(session_id)
            except StoreUnavailable as error:
                raise NotReady(f"{error}; try again, or start a new session") from error
            if self._live.get(session_id) in (None, seen):  # otherwise another connection took it while this one read
                return record

    async def _end_elsewhere(self, session: Session) -> None:
        """End a session that is live in another connection; its record is kept before this goes on."""
        session.end(CloseReason.RESUMED_ELSEWHERE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HANDOVER_S):
                await session.closed.wait()

    def _setup(
        self, start: pb.StartConversation, record: SessionRecord, is_resumed: bool, audio_format: AudioFormat
    ) -> CallSetup:
        agent = self._agents.get(record.agent)
        tools = offered(agent, self._http, self._mcp, [tool.name for tool in start.client_tools])
        client_tools = ClientTools(start.client_tools, tools)
        return CallSetup(
            record=record,
            agent=agent,
            languages=_languages(agent, start.language, record.language),
            audio_format=audio_format,
            tools=tools | {tool.name: tool for tool in client_tools.tools},
            client_tools=client_tools,
            is_resumed=is_resumed,
            sends_progress=start.sends_playback_progress,
            rewinds=start.rewinds_playback,
            tells_text=start.consent.transcripts and self._stages.settings.trace_transcripts,
        )

    # --- sessions from outside ----------------------------------------------------------------------------------------

    async def describe(self, session_id: str) -> pb.GetSessionResponse:
        """Tell of a session, live or resumable. Raises NotFound."""
        if (session := self._live.get(session_id)) is not None:
            return pb.GetSessionResponse(
                session_id=session_id, agent=session.agent_name, is_live=True, turns=session.turns
            )
        try:
            record = await self._store.load(session_id)
            expires_in_s = await self._store.expires_in_s(session_id)
        except StoreUnavailable as error:
            raise NotReady(str(error)) from error
        if record is None:
            raise NotFound("no session of that id, or its idle time has passed")
        return pb.GetSessionResponse(
            session_id=session_id, agent=record.agent, turns=record.turns, expires_in_s=expires_in_s
        )

    async def end(self, session_id: str) -> None:
        """End a session and forget it. Raises NotFound."""
        await self.describe(session_id)
        if (session := self._live.pop(session_id, None)) is not None:
            session.end(CloseReason.ENDED_BY_API)
        try:
            await self._store.delete(session_id)
        except StoreUnavailable as error:
            raise NotReady(str(error)) from error

    # --- the end ------------------------------------------------------------------------------------------------------

    async def drain(self, grace_ms: int) -> None:
        """Take no new calls, tell the callers, and wait until the last call is over."""
        self._is_draining = True
        for session in self._live.values():
            session.going_away(grace_ms)
        await self._none_live.wait()


def _languages(agent: Agent, named: str, left_in: str) -> CallLanguages:
    """Return the languages of a call, which begins in the one that is `named`, otherwise where its session was left.

    A session that was left in a language which the agent no longer speaks goes on in its first. Raises InvalidInput for
    a named one that it lacks.
    """
    try:
        return CallLanguages(agent, named or left_in)
    except InvalidInput:
        if named:
            raise
        return CallLanguages(agent)
