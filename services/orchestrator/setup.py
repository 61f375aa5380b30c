"""What a call begins with, and what its settings mean for the state machine."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.audio import AudioFormat
from services.orchestrator.agent import Agent
from services.orchestrator.deadlines import Deadlines
from services.orchestrator.languages import CallLanguages
from services.orchestrator.sessions.store import SessionRecord
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.tools.base import Tool
from services.orchestrator.tools.client import ClientTools


@dataclass(frozen=True, slots=True)
class CallSetup:
    """What a call begins with."""

    record: SessionRecord
    agent: Agent
    languages: CallLanguages
    audio_format: AudioFormat
    tools: dict[str, Tool]
    client_tools: ClientTools
    is_resumed: bool
    sends_progress: bool
    rewinds: bool = False
    """The caller's player goes back to a word's beginning when told."""
    tells_text: bool = False
    """Caller and settings allow that what is said goes into traces."""


def deadlines_of(settings: OrchestratorSettings) -> Deadlines:
    """Return the state machine's deadlines as set."""
    return Deadlines(
        idle_ms=settings.idle_ms,
        utterance_ms=settings.utterance_ms,
        transcript_ms=settings.transcript_ms,
        reply_ms=settings.reply_ms,
        judgement_ms=settings.judgement_ms,
    )
