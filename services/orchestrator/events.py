"""What can happen to a conversation, and what the state machine can order. Plain data, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

END_CALL = "end_call"
"""The built-in tool by which the model ends a call."""


class Phrase(Enum):
    """Sentences the agent says without asking the language model; worded in the agent file."""

    GREETING = "greeting"
    APOLOGY = "apology"
    NOT_HEARD = "not_heard"
    IDLE_PROMPT = "idle_prompt"
    GOODBYE = "goodbye"


class CloseReason(Enum):
    """Why a call ends."""

    CALLER = "caller"
    AGENT = "agent"
    IDLE = "idle"
    STAGE_FAILED = "stage_failed"
    ENDED_BY_API = "ended_by_api"
    RESUMED_ELSEWHERE = "resumed_elsewhere"


class Watchdog(Enum):
    """What is being waited for; each has its own deadline in `state.Deadlines`."""

    IDLE = "idle"
    UTTERANCE = "utterance"
    TRANSCRIPT = "transcript"
    REPLY = "reply"
    STALL = "stall"
    JUDGEMENT = "judgement"
    CANCELLATION = "cancellation"


# --- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The call is up. `unanswered_text`: what a resumed session's caller said last without an answer."""

    greet: bool = True
    unanswered_text: str = ""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Turn detector: the caller began to speak at `onset_ms` of the call's audio."""

    onset_ms: int = 0


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Turn detector: the caller fell silent."""


@dataclass(frozen=True, slots=True)
class EagerEndOfTurn:
    """Turn detector: the turn is probably over."""


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """Turn detector: the turn is over, after `speech_ms` of speech."""

    speech_ms: int = 0


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """Turn detector: speech went on after an eager end of turn."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """Turn detector: speech over the agent is meant."""


@dataclass(frozen=True, slots=True)
class Backchannel:
    """Turn detector: speech over the agent is not meant."""


@dataclass(frozen=True, slots=True)
class EchoHeard:
    """Echo watch: speech over the agent was the agent's own, from the caller's loudspeaker."""


@dataclass(frozen=True, slots=True)
class PartialHeard:
    """Recogniser: what the open utterance says so far."""

    epoch: int
    text: str


@dataclass(frozen=True, slots=True)
class FinalHeard:
    """Recogniser: the answer to a finalize."""

    epoch: int
    finalize_id: int
    text: str


@dataclass(frozen=True, slots=True)
class TextTyped:
    """Caller: typed text instead of speech."""

    text: str


@dataclass(frozen=True, slots=True)
class InterruptRequested:
    """Caller: stop the agent."""


@dataclass(frozen=True, slots=True)
class AudioBegan:
    """Reply: its first audio is on its way to the caller."""

    epoch: int


@dataclass(frozen=True, slots=True)
class LineHeld:
    """Reply: what is heard from now on must be heard to its end; or, with `is_held` False, no longer."""

    epoch: int
    is_held: bool


@dataclass(frozen=True, slots=True)
class ReplyProgressed:
    """Reply: alive. `acted`: a tool ran, so that the caller's words are spent and cannot be taken back."""

    epoch: int
    acted: bool = False


@dataclass(frozen=True, slots=True)
class PlaybackDone:
    """Reply: the caller has heard all of it. `close`: the call ends with it."""

    epoch: int
    close: CloseReason | None = None


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """Reply: it could not be made or finished. `canned`: not even a fixed sentence could be spoken."""

    epoch: int
    canned: bool = False


@dataclass(frozen=True, slots=True)
class ReplyCancelled:
    """Reply: cancelled, and what of it was heard is known."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ToolReported:
    """A tool that was to report later has its result in the conversation; nobody was told yet."""


@dataclass(frozen=True, slots=True)
class StageGaveUp:
    """A stage stayed down for longer than the call can bear."""


@dataclass(frozen=True, slots=True)
class WatchdogExpired:
    """A deadline passed."""

    watchdog: Watchdog


Event = (
    CallStarted
    | SpeechStarted
    | SpeechStopped
    | EagerEndOfTurn
    | EndOfTurn
    | TurnResumed
    | Interruption
    | Backchannel
    | EchoHeard
    | PartialHeard
    | FinalHeard
    | TextTyped
    | InterruptRequested
    | AudioBegan
    | LineHeld
    | ReplyProgressed
    | PlaybackDone
    | ReplyFailed
    | ReplyCancelled
    | ToolReported
    | StageGaveUp
    | WatchdogExpired
)


# --- actions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenUtterance:
    """Feed the recogniser from `onset_ms` on, as utterance `epoch`."""

    epoch: int
    onset_ms: int


@dataclass(frozen=True, slots=True)
class Finalize:
    """Ask the recogniser for the final text of the open utterance."""

    epoch: int
    finalize_id: int


@dataclass(frozen=True, slots=True)
class CloseUtterance:
    """Stop feeding the recogniser."""

    epoch: int


@dataclass(frozen=True, slots=True)
class StartReply:
    """Answer `user_text` as turn `epoch`."""

    epoch: int
    user_text: str


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a fixed sentence as turn `epoch`; `close`: and end the call after it."""

    epoch: int
    phrase: Phrase
    close: CloseReason | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Tell by yourself, as turn `epoch`, what a tool has reported."""

    epoch: int


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop generating, synthesising and playing turn `epoch`. `unsay_user`: take the caller's text back too."""

    epoch: int
    unsay_user: bool = False


@dataclass(frozen=True, slots=True)
class PausePlayback:
    """Let the caller hear silence at once."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ResumePlayback:
    """Go on where playback paused."""

    epoch: int


@dataclass(frozen=True, slots=True)
class RestartRecogniser:
    """The recogniser owes an answer: open a new stream to it."""


@dataclass(frozen=True, slots=True)
class EndCall:
    """Close the call cleanly."""

    reason: CloseReason


Action = (
    OpenUtterance
    | Finalize
    | CloseUtterance
    | StartReply
    | Say
    | Report
    | CancelReply
    | PausePlayback
    | ResumePlayback
    | RestartRecogniser
    | EndCall
)
