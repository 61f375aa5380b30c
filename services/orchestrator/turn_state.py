"""Where a conversation stands, and what it waits for. Plain data; `state.py` moves it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from services.orchestrator.events import CloseReason, Watchdog


class Phase(Enum):
    """Who has the turn."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A line of the agent's that must be heard to its end is being said."""

    is_claimed: bool = False
    """The caller wants the floor; he gets it after the line."""
    typed: str = ""
    """What he typed meanwhile."""


class TurnState(NamedTuple):
    """Where a conversation stands. A tuple: its `_replace` costs a fifth of a dataclass's, and every event calls it."""

    phase: Phase = Phase.IDLE
    epoch: int = 0
    """The turn this phase is about."""
    last_epoch: int = 0
    """The newest epoch given out."""
    utterance: int = 0
    """Epoch of the caller's open utterance; 0: none."""
    user_speaking: bool = False
    kept_text: str = ""
    """The caller's words so far, from before the open utterance: they stay while it is unclear that a turn is over."""
    partial: str = ""
    """Newest hypothesis of the open utterance."""
    finalize_id: int = 0
    """The finalize that covers all speech so far; 0: none is asked for."""
    last_finalize_id: int = 0
    final: str | None = None
    """The answer to `finalize_id`, once it came."""
    turn_over: bool = False
    """The turn has ended, its transcript is awaited."""
    speech_ms: int = 0
    """Speech in the turn that ended."""
    paused: bool = False
    """SPEAKING: playback stands still while speech over the agent is judged."""
    held: HeldLine | None = None
    """SPEAKING: nothing interrupts the line that is being said; None: anything may."""
    close: CloseReason | None = None
    """The call ends with the reply in progress."""
    idle_prompts: int = 0
    answering: bool = False
    """The reply in progress is the model's answer, not a fixed sentence."""
    report_due: bool = False
    """A tool has reported, and nobody tells the caller yet."""
    reporting: bool = False
    """The reply in progress tells what a tool has reported, and nothing of it was heard yet."""
    failures: int = 0
    """Apologies since the last answer that was heard to its end."""
    unheard: int = 0
    """Turns without words since the last with words."""
    activity: int = 0
    """Counts signs of progress; the watchdog starts anew with each."""


def watchdog(state: TurnState) -> Watchdog | None:
    """Return what the state waits for, or None where no call is up."""
    match state.phase:
        case Phase.IDLE:
            return None
        case Phase.LISTENING:
            return Watchdog.UTTERANCE if state.utterance else Watchdog.IDLE
        case Phase.THINKING:
            return Watchdog.TRANSCRIPT if state.turn_over else Watchdog.REPLY
        case Phase.SPEAKING:
            return Watchdog.JUDGEMENT if state.paused else Watchdog.STALL
        case Phase.INTERRUPTED:
            return Watchdog.CANCELLATION
