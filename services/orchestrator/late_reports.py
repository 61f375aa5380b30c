"""When the agent tells by itself what a tool reported late: at the first moment when nobody speaks. Pure."""

from __future__ import annotations

from services.orchestrator import events as ev
from services.orchestrator.turn_state import Phase, TurnState


def tell(state: TurnState) -> tuple[TurnState, tuple[ev.Action, ...]]:
    """Return the state and what to order where a report is due and nobody speaks; else the state as it is."""
    is_quiet = state.phase is Phase.LISTENING and not state.utterance and not state.user_speaking
    if not state.report_due or not is_quiet:
        return state, ()
    epoch = state.last_epoch + 1
    telling = state._replace(
        phase=Phase.THINKING,
        epoch=epoch,
        last_epoch=epoch,
        answering=True,
        report_due=False,
        reporting=True,
    )
    return telling, (ev.Report(epoch),)


def untold(state: TurnState) -> TurnState:
    """Return the state after a reply was taken back unheard: a report that it was to tell is due again."""
    return state._replace(report_due=state.report_due or state.reporting, reporting=False)
