"""What the caller is told, as serialised responses."""

from __future__ import annotations

from collections.abc import Sequence

from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.orchestrator.events import CloseReason
from services.orchestrator.latency import Line
from services.orchestrator.reply import Reply
from services.orchestrator.state import Phase

PHASES = {
    Phase.IDLE: pb.CONVERSATION_STATE_IDLE,
    Phase.LISTENING: pb.CONVERSATION_STATE_LISTENING,
    Phase.THINKING: pb.CONVERSATION_STATE_THINKING,
    Phase.SPEAKING: pb.CONVERSATION_STATE_SPEAKING,
    Phase.INTERRUPTED: pb.CONVERSATION_STATE_INTERRUPTED,
}
REASONS = {
    CloseReason.CALLER: pb.END_REASON_CALLER,
    CloseReason.AGENT: pb.END_REASON_AGENT,
    CloseReason.IDLE: pb.END_REASON_IDLE,
    CloseReason.STAGE_FAILED: pb.END_REASON_STAGE_FAILED,
    CloseReason.ENDED_BY_API: pb.END_REASON_ENDED_BY_API,
    CloseReason.RESUMED_ELSEWHERE: pb.END_REASON_RESUMED_ELSEWHERE,
}


def started(
    session_id: str,
    agent: str,
    resumed: bool,
    stages: dict[str, common_pb2.EngineInfo],
    *,
    language: str,
    heard: Sequence[str],
) -> bytes:
    """Say that the call is up. `heard`: the languages that are told apart in speech."""
    infos = [pb.StageInfo(stage=stage, info=info) for stage, info in sorted(stages.items())]
    return pb.ConverseResponse(
        started=pb.ConversationStarted(
            session_id=session_id,
            agent=agent,
            resumed=resumed,
            stages=infos,
            language=language,
            heard_languages=heard,
        )
    ).SerializeToString()


def state_changed(phase: Phase, epoch: int) -> bytes:
    """Say that the conversation's state changed."""
    return pb.ConverseResponse(state_changed=pb.StateChanged(state=PHASES[phase], turn_epoch=epoch)).SerializeToString()


def transcript(
    speaker: pb.Speaker.ValueType,
    text: str,
    epoch: int,
    *,
    is_final: bool,
    confidence: float = 0.0,
    language: str = "",
) -> bytes:
    """Say what was said."""
    return pb.ConverseResponse(
        transcript=pb.Transcript(
            speaker=speaker,
            text=text,
            is_final=is_final,
            confidence=confidence,
            turn_epoch=epoch,
            language=language,
        )
    ).SerializeToString()


def clear_playback(epoch: int) -> bytes:
    """Have the caller throw away audio that is not yet played."""
    return pb.ConverseResponse(clear_playback=pb.ClearPlayback(turn_epoch=epoch)).SerializeToString()


def pause_playback(epoch: int) -> bytes:
    """Have the caller stop playing at once and keep its buffer."""
    return pb.ConverseResponse(pause_playback=pb.PausePlayback(turn_epoch=epoch)).SerializeToString()


def resume_playback(epoch: int, from_ms: int | None = None) -> bytes:
    """Have the caller go on playing."""
    return pb.ConverseResponse(resume_playback=pb.ResumePlayback(turn_epoch=epoch, from_ms=from_ms)).SerializeToString()


def tool_call(event: pb.ToolCallEvent) -> bytes:
    """Say that a tool is called, or returned."""
    return pb.ConverseResponse(tool_call=event).SerializeToString()


def error(code: pb.ErrorCode.ValueType, message: str, *, stage: str = "", is_fatal: bool = False) -> bytes:
    """Say what went wrong."""
    return pb.ConverseResponse(
        error=pb.ErrorEvent(code=code, message=message, stage=stage, is_fatal=is_fatal)
    ).SerializeToString()


def going_away(grace_ms: int) -> bytes:
    """Say that the server is about to stop."""
    return pb.ConverseResponse(going_away=pb.GoingAway(grace_ms=grace_ms)).SerializeToString()


def ended(reason: CloseReason) -> bytes:
    """Say that the call is over."""
    return pb.ConverseResponse(ended=pb.ConversationEnded(reason=REASONS[reason])).SerializeToString()


def turn_summary(reply: Reply, heard_text: str, lines: Sequence[Line], response_ms: float) -> bytes:
    """Say that a turn is complete."""
    return pb.ConverseResponse(
        turn_summary=pb.TurnSummary(
            turn_epoch=reply.epoch,
            user_text=reply.user_text,
            agent_text=reply.timeline.text,
            heard_text=heard_text,
            interrupted=reply.interrupted,
            response_ms=round(response_ms),
            hops=[_hop(line) for line in lines],
            tool_calls=reply.tool_calls,
            outcome=reply.outcome,
            language=reply.language,
            speculated=reply.hidden_ms is not None,
            hidden_ms=round(reply.hidden_ms or 0),
        )
    ).SerializeToString()


def _hop(line: Line) -> pb.Hop:
    hop = pb.Hop(name=line.name, duration_ms=line.duration_ms, is_unknown=not line.is_known)
    if line.exchange is not None:
        hop.client_ms, hop.network_ms = line.exchange.client_ms, line.exchange.network_ms
        hop.server_ms, hop.queue_ms = line.exchange.server_ms, line.exchange.queue_ms
        hop.engine_ms = line.exchange.engine_ms
    return hop
