"""What happens in a call, as typed, frozen dataclasses to `match` on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from voice.orchestrator.v1 import orchestrator_pb2 as pb


class State(StrEnum):
    """Where the conversation stands."""

    UNKNOWN = "unknown"
    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    INTERRUPTED = "interrupted"


class Speaker(StrEnum):
    """Who said something."""

    UNKNOWN = "unknown"
    USER = "user"
    AGENT = "agent"


class ToolStatus(StrEnum):
    """How a tool call stands."""

    UNKNOWN = "unknown"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events. `at_ms` is when it arrived, since the call began."""

    name: ClassVar[str]
    at_ms: float


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What runs behind a stage (asr, turn, llm or tts)."""

    stage: str
    engine: str
    model: str


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """The call is up; `session_id` resumes it after a break.

    `language`: BCP 47 tag of what it begins in. `heard_languages`: those that are told apart in speech; empty: one.
    """

    name = "started"
    session_id: str
    agent: str
    resumed: bool
    stages: tuple[Stage, ...]
    language: str = ""
    heard_languages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StateChanged(Event):
    """The conversation's state changed."""

    name = "state_changed"
    state: State
    turn_epoch: int


@dataclass(frozen=True, kw_only=True)
class Transcript(Event):
    """Something was said: a user's partial (`is_final` false) or final text, or a phrase of the agent's."""

    name = "transcript"
    speaker: Speaker
    text: str
    is_final: bool
    confidence: float
    turn_epoch: int
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class AgentAudio(Event):
    """Agent audio, PCM16 mono at the call's rate; `offset_ms` is where it begins in the turn's audio."""

    name = "agent_audio"
    turn_epoch: int
    offset_ms: int
    pcm: bytes
    is_first: bool
    is_stale: bool


@dataclass(frozen=True, kw_only=True)
class PlaybackPaused(Event):
    """Stop playing at once; keep what is buffered."""

    name = "playback_paused"
    turn_epoch: int


@dataclass(frozen=True, kw_only=True)
class PlaybackResumed(Event):
    """Go on playing: where it stopped, or from `from_ms` of the turn's audio, which comes again from there on."""

    name = "playback_resumed"
    turn_epoch: int
    from_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class PlaybackCleared(Event):
    """Throw away what is not yet played, of this epoch and all before."""

    name = "playback_cleared"
    turn_epoch: int


@dataclass(frozen=True, kw_only=True)
class ToolCall(Event):
    """A tool is called, or its call ended."""

    name = "tool_call"
    call_id: str
    tool: str
    arguments_json: str
    runs_at_client: bool
    status: ToolStatus
    result_json: str
    error: str
    duration_ms: int
    turn_epoch: int


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One part of a turn's latency, and the exchange with a stage that ended it, if one did (docs/telemetry.md)."""

    name: str
    duration_ms: float
    server_ms: float = 0.0
    """What the stage's server accounts for of the exchange; of that, `queue_ms` and `engine_ms`."""
    client_ms: float = 0.0
    """The exchange as the orchestrator measured it; what the server does not account for is `network_ms`."""
    queue_ms: float = 0.0
    engine_ms: float = 0.0
    network_ms: float = 0.0
    is_unknown: bool = False
    """It could not be measured, and counts as 0."""


@dataclass(frozen=True, kw_only=True)
class TurnSummary(Event):
    """A turn is complete.

    `response_ms`, the sum of the hops, was measured at the server. `voice_to_voice_ms` was measured here (see
    parley/measure.py); it is None where the agent did not answer speech: a greeting, an idle prompt, an answer to typed
    text. `speculated`: the answer was begun on a guess before the turn was over, and `hidden_ms` of the work on it were
    done by then.
    """

    name = "turn_summary"
    turn_epoch: int
    user_text: str
    agent_text: str
    heard_text: str
    interrupted: bool
    response_ms: int
    hops: tuple[Hop, ...]
    tool_calls: int
    outcome: str
    voice_to_voice_ms: float | None
    speculated: bool = False
    hidden_ms: int = 0
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class GoingAway(Event):
    """The server stops within `grace_ms`: call again with the session's id."""

    name = "going_away"
    grace_ms: int


@dataclass(frozen=True, kw_only=True)
class ErrorEvent(Event):
    """Something went wrong; the call goes on unless `is_fatal`."""

    name = "error"
    code: str
    message: str
    stage: str
    is_fatal: bool


@dataclass(frozen=True, kw_only=True)
class Ended(Event):
    """The call is over. `reason`: caller, agent, idle, stage_failed, ended_by_api or resumed_elsewhere."""

    name = "ended"
    reason: str


def _started(body: Any, at_ms: float) -> Event:
    stages = tuple(Stage(stage=info.stage, engine=info.info.engine, model=info.info.model) for info in body.stages)
    return Started(
        at_ms=at_ms,
        session_id=body.session_id,
        agent=body.agent,
        resumed=body.resumed,
        stages=stages,
        language=body.language,
        heard_languages=tuple(body.heard_languages),
    )


def _state_changed(body: Any, at_ms: float) -> Event:
    return StateChanged(at_ms=at_ms, state=_named(State, pb.ConversationState, body.state), turn_epoch=body.turn_epoch)


def _transcript(body: Any, at_ms: float) -> Event:
    return Transcript(
        at_ms=at_ms,
        speaker=_named(Speaker, pb.Speaker, body.speaker),
        text=body.text,
        is_final=body.is_final,
        confidence=body.confidence,
        turn_epoch=body.turn_epoch,
        language=body.language,
    )


def _tool_call(body: Any, at_ms: float) -> Event:
    return ToolCall(
        at_ms=at_ms,
        call_id=body.call_id,
        tool=body.name,
        arguments_json=body.arguments_json,
        runs_at_client=body.runs_at_client,
        status=_named(ToolStatus, pb.ToolCallStatus, body.status),
        result_json=body.result_json,
        error=body.error,
        duration_ms=body.duration_ms,
        turn_epoch=body.turn_epoch,
    )


def _turn_summary(body: Any, at_ms: float) -> Event:
    hops = tuple(
        Hop(
            name=hop.name,
            duration_ms=hop.duration_ms,
            server_ms=hop.server_ms,
            client_ms=hop.client_ms,
            queue_ms=hop.queue_ms,
            engine_ms=hop.engine_ms,
            network_ms=hop.network_ms,
            is_unknown=hop.is_unknown,
        )
        for hop in body.hops
    )
    return TurnSummary(
        at_ms=at_ms,
        turn_epoch=body.turn_epoch,
        user_text=body.user_text,
        agent_text=body.agent_text,
        heard_text=body.heard_text,
        interrupted=body.interrupted,
        response_ms=body.response_ms,
        hops=hops,
        tool_calls=body.tool_calls,
        outcome=body.outcome,
        voice_to_voice_ms=None,
        speculated=body.speculated,
        hidden_ms=body.hidden_ms,
        language=body.language,
    )


def _audio(body: Any, at_ms: float) -> Event:
    return AgentAudio(
        at_ms=at_ms,
        turn_epoch=body.turn_epoch,
        offset_ms=body.offset_ms,
        pcm=body.pcm,
        is_first=False,
        is_stale=False,
    )


def _error(body: Any, at_ms: float) -> Event:
    code = _short_name(pb.ErrorCode, body.code)
    return ErrorEvent(at_ms=at_ms, code=code, message=body.message, stage=body.stage, is_fatal=body.is_fatal)


_DECODERS: dict[str, Callable[[Any, float], Event]] = {
    "audio": _audio,
    "started": _started,
    "state_changed": _state_changed,
    "transcript": _transcript,
    "clear_playback": lambda body, at_ms: PlaybackCleared(at_ms=at_ms, turn_epoch=body.turn_epoch),
    "pause_playback": lambda body, at_ms: PlaybackPaused(at_ms=at_ms, turn_epoch=body.turn_epoch),
    "resume_playback": lambda body, at_ms: PlaybackResumed(
        at_ms=at_ms, turn_epoch=body.turn_epoch, from_ms=body.from_ms if body.HasField("from_ms") else None
    ),
    "tool_call": _tool_call,
    "turn_summary": _turn_summary,
    "going_away": lambda body, at_ms: GoingAway(at_ms=at_ms, grace_ms=body.grace_ms),
    "error": _error,
    "ended": lambda body, at_ms: Ended(at_ms=at_ms, reason=_short_name(pb.EndReason, body.reason)),
}


def decode(response: pb.ConverseResponse, at_ms: float) -> Event | None:
    """Return the event a response carries; None for one that a newer server sends and this client does not know."""
    kind = response.WhichOneof("event")
    return None if kind is None else _DECODERS[kind](getattr(response, kind), at_ms)


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object: its name under `event`, then its fields; audio as its size in bytes."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    if isinstance(fields.get("pcm"), bytes):
        fields["pcm_bytes"] = len(fields.pop("pcm"))
    for key in ("stages", "hops"):
        if key in fields:
            fields[key] = [dataclasses.asdict(item) for item in fields[key]]
    return {"event": event.name, "at_ms": round(fields.pop("at_ms"), 1)} | fields


def _short_name(enum: Any, value: int) -> str:
    """Return an enum value's name without its prefix, in lower case: END_REASON_CALLER -> "caller"."""
    try:
        name: str = enum.Name(value)
    except ValueError:
        return "unknown"
    prefix: str = enum.Name(0).removesuffix("UNSPECIFIED")
    return "unknown" if value == 0 else name.removeprefix(prefix).lower()


def _named(kind: Any, enum: Any, value: int) -> Any:
    name = _short_name(enum, value)
    return kind(name) if name in set(kind) else kind("unknown")
