"""The parts of one call, put together: ears, mouth, what reads the caller, and what is noted of the turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from voice.asr.v1 import asr_pb2
from voice.common.v1 import common_pb2

from services.orchestrator import events as ev
from services.orchestrator.caller import CallerHooks, CallerInput
from services.orchestrator.canned import CannedSpeech
from services.orchestrator.echo_watch import EchoHooks, EchoWatch
from services.orchestrator.history import History
from services.orchestrator.latency import Line
from services.orchestrator.listening import Listening, ListeningHooks
from services.orchestrator.notices import Notices
from services.orchestrator.reply import Reply
from services.orchestrator.setup import CallSetup
from services.orchestrator.speaking import Speaking
from services.orchestrator.speaking_hooks import SpeakingHooks
from services.orchestrator.speculating import Speculating
from services.orchestrator.speculation import SpeculationBudget
from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.stream import StageStream
from services.orchestrator.tracing import CallTrace
from services.orchestrator.turn_marks import TurnMarks
from services.orchestrator.turn_state import TurnState


@dataclass(frozen=True, slots=True)
class SessionHooks:
    """What the parts need of their session, and tell it. All run on the event loop."""

    dispatch: Callable[[ev.Event], None]
    send: Callable[[bytes], None]
    """Send the caller a serialised response."""
    spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
    """(what, name): run it in the session's TaskGroup."""
    state: Callable[[], TurnState]
    """Where the conversation stands."""
    hypothesis: Callable[[asr_pb2.RecognizeResponse], str]
    """(response with a hypothesis) -> the turn's whole text: tell the caller what was heard."""
    changed: Callable[[], None]
    """The history changed: keep it."""
    summarised: Callable[[Reply, Sequence[Line], float], None]
    """A turn is complete: its lines, and their sum where it answered speech."""
    end: Callable[[], None]
    """The caller ends the call."""


@dataclass(slots=True)
class Parts:
    """What a call is made of."""

    listening: Listening
    speaking: Speaking
    speculating: Speculating
    caller: CallerInput
    trace: CallTrace
    marks: TurnMarks
    engines: dict[str, common_pb2.EngineInfo] = field(default_factory=dict)
    """What answers, by stage."""

    @property
    def streams(self) -> tuple[StageStream, ...]:
        """The streams that last as long as the call."""
        return self.listening.asr, self.listening.turn, self.speaking.speech.stream


def assemble(
    setup: CallSetup,
    stages: Stages,
    canned: CannedSpeech,
    budget: SpeculationBudget,
    history: History,
    notices: Notices,
    hooks: SessionHooks,
) -> Parts:
    """Put a call's parts together. To be called where the span of the conversation is current."""
    session_id = setup.record.session_id
    engines: dict[str, common_pb2.EngineInfo] = {}
    watches_echo = setup.agent.turn.echo
    listening = Listening(
        stages,
        setup.languages,
        setup.audio_format,
        session_id,
        ListeningHooks(
            dispatch=(lambda event: echo.pass_on(event)) if watches_echo else hooks.dispatch,
            hypothesis=hooks.hypothesis,
            callers_words=(lambda text: echo.callers_words(text)) if watches_echo else (lambda text: text),
            turn_event=lambda response: marks.on_turn(response),
            info=engines.__setitem__,
            on_lost=notices.stage_lost,
            on_gave_up=notices.stage_gave_up,
        ),
    )
    hearing = listening.hearing
    marks = TurnMarks(hearing)
    trace = CallTrace(
        session_id,
        setup.agent.name,
        is_resumed=setup.is_resumed,
        tells_text=setup.tells_text,
        arrival_s=hearing.arrival_s,
    )
    speaking = Speaking(
        stages,
        setup.languages,
        setup.audio_format,
        session_id,
        history,
        setup.tools,
        canned,
        SpeakingHooks(
            dispatch=hooks.dispatch,
            send=hooks.send,
            spawn=hooks.spawn,
            agent_speaks=listening.agent_speaks,
            info=engines.__setitem__,
            changed=hooks.changed,
            summarised=hooks.summarised,
            failed=notices.stage_lost,
            on_gave_up=notices.stage_gave_up,
        ),
        setup.sends_progress,
        setup.rewinds,
        trace,
        budget,
    )
    echo = EchoWatch(
        setup.audio_format,
        hearing,
        speaking.playback,
        EchoHooks(
            dispatch=hooks.dispatch,
            hears_echo=listening.hears_echo,
            is_audible=lambda: speaking.is_audible,
            said=speaking.said_lately,
            spawn=hooks.spawn,
        ),
    )
    caller = CallerInput(
        setup.audio_format,
        CallerHooks(
            audio=hearing.on_audio,
            progress=speaking.acknowledge,
            dispatch=hooks.dispatch,
            switch_language=setup.languages.switch,
            tool_result=setup.client_tools.on_result,
            refuse=notices.refused,
            end=hooks.end,
        ),
        burst_ms=stages.settings.audio_burst_ms,
        max_chunk_ms=stages.settings.max_chunk_ms,
    )
    speculating = Speculating(speaking, setup.agent.language, hooks.state)
    return Parts(listening, speaking, speculating, caller, trace, marks, engines)
