"""Any events in any order, however odd: the state machine keeps what it promises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.orchestrator import events as ev
from services.orchestrator.deadlines import Deadlines
from services.orchestrator.state import Phase, TurnState, step, watchdog
from tests.unit.orchestrator.machine import is_replying

pytestmark = pytest.mark.unit

DEADLINES = Deadlines()
EPOCHS = st.integers(0, 12)
TEXTS = st.sampled_from(["", " ", "yes", "book a table"])
REASONS = st.sampled_from([None, *ev.CloseReason])
EVENTS = st.one_of(
    st.builds(ev.CallStarted, greet=st.booleans(), unanswered_text=TEXTS),
    st.builds(ev.SpeechStarted, onset_ms=st.integers(0, 10**6)),
    st.builds(ev.EndOfTurn, speech_ms=st.integers(0, 5000)),
    st.sampled_from([ev.SpeechStopped(), ev.EagerEndOfTurn(), ev.TurnResumed(), ev.Interruption(), ev.Backchannel()]),
    st.builds(ev.LineHeld, epoch=EPOCHS, is_held=st.booleans()),
    st.builds(ev.PartialHeard, epoch=EPOCHS, text=TEXTS),
    st.builds(ev.FinalHeard, epoch=EPOCHS, finalize_id=st.integers(0, 6), text=TEXTS),
    st.builds(ev.TextTyped, text=TEXTS),
    st.builds(ev.AudioBegan, epoch=EPOCHS),
    st.builds(ev.ReplyProgressed, epoch=EPOCHS, acted=st.booleans()),
    st.builds(ev.PlaybackDone, epoch=EPOCHS, close=REASONS),
    st.builds(ev.ReplyFailed, epoch=EPOCHS, canned=st.booleans()),
    st.builds(ev.ReplyCancelled, epoch=EPOCHS),
    st.sampled_from([ev.InterruptRequested(), ev.EchoHeard(), ev.ToolReported(), ev.StageGaveUp()]),
    st.builds(ev.WatchdogExpired, watchdog=st.sampled_from(ev.Watchdog)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, max_size=80), st.integers(0, 5))
def test_no_order_of_events_however_odd_breaks_it(happened: list[ev.Event], last_epoch: int) -> None:
    state = TurnState(last_epoch=last_epoch, epoch=last_epoch)
    is_open = running = 0
    for event in [ev.CallStarted(), *happened]:
        before = state
        state, actions = step(before, event, DEADLINES)
        assert state.last_epoch >= before.last_epoch
        if isinstance(event, ev.PlaybackDone | ev.ReplyFailed) and event.epoch == running:
            running = 0
        for action in actions:
            match action:
                case ev.OpenUtterance(epoch):
                    assert not is_open
                    assert epoch > before.last_epoch
                    is_open = epoch
                case ev.CloseUtterance(epoch):
                    assert epoch == is_open
                    is_open = 0
                case ev.StartReply(epoch) | ev.Say(epoch) | ev.Report(epoch):
                    assert not running
                    running = epoch
                case ev.CancelReply(epoch):
                    assert epoch == running
                    running = 0
                case ev.EndCall():
                    running = 0
        assert (state.utterance, bool(running)) == (is_open, is_replying(state))
        assert (watchdog(state) is None) == (state.phase is Phase.IDLE)
