"""The moves that several events make in the state machine. Pure."""

from __future__ import annotations

from services.orchestrator import events as ev
from services.orchestrator.events import Action, CloseReason, Phrase
from services.orchestrator.turn_state import Phase, TurnState

Step = tuple[TurnState, tuple[Action, ...]]


def say(state: TurnState, phrase: Phrase, *, close: CloseReason | None = None) -> Step:
    """Have a fixed sentence said; `close`: and the call ended after it."""
    epoch = state.last_epoch + 1
    said = state._replace(
        phase=Phase.THINKING,
        epoch=epoch,
        last_epoch=epoch,
        paused=False,
        close=close,
        reporting=False,
        held=None,
    )
    said = without_utterance(said._replace(kept_text="", answering=False))
    return said, (*closing(state), ev.Say(epoch, phrase, close))


def reply(state: TurnState, epoch: int, text: str) -> Step:
    """Have `text` answered as turn `epoch`."""
    replying = state._replace(
        phase=Phase.THINKING,
        epoch=epoch,
        kept_text=text,
        idle_prompts=0,
        unheard=0,
        paused=False,
        held=None,
        answering=True,
        report_due=False,
        reporting=state.report_due,  # the model is shown the report with what the caller said
    )
    return without_utterance(replying), (*closing(state), ev.StartReply(epoch, text))


def open_utterance(state: TurnState, onset_ms: int) -> Step:
    """Open an utterance of the caller's, which takes the next epoch."""
    epoch = state.last_epoch + 1
    opened = without_utterance(state)._replace(utterance=epoch, last_epoch=epoch, user_speaking=True)
    return opened, (ev.OpenUtterance(epoch, onset_ms),)


def finalize(state: TurnState) -> Step:
    """Ask for the final text of the open utterance."""
    number = state.last_finalize_id + 1
    asked = state._replace(finalize_id=number, last_finalize_id=number, final=None, activity=state.activity + 1)
    return asked, (ev.Finalize(state.utterance, number),)


def listen(state: TurnState) -> TurnState:
    """Return the state in which the caller has the turn."""
    return state._replace(
        phase=Phase.LISTENING, epoch=state.utterance or state.epoch, paused=False, close=None, held=None
    )


def not_over(state: TurnState) -> TurnState:
    """Return the state in which the turn goes on, so that what was final no longer covers all of it."""
    return state._replace(finalize_id=0, final=None, turn_over=False, activity=state.activity + 1)


def without_utterance(state: TurnState) -> TurnState:
    """Return the state without an open utterance."""
    return state._replace(utterance=0, partial="", finalize_id=0, final=None, turn_over=False, speech_ms=0)


def closing(state: TurnState) -> tuple[Action, ...]:
    """Return what closes the open utterance, if there is one."""
    return (ev.CloseUtterance(state.utterance),) if state.utterance else ()
