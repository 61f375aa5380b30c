"""A tool that reports late: the agent tells it by itself, once, and never over anybody."""

from __future__ import annotations

import pytest

from services.orchestrator import events as ev
from services.orchestrator.state import Phase, TurnState
from tests.unit.orchestrator.machine import happenings, is_replying, run

pytestmark = pytest.mark.unit

LISTENING, _ = run(TurnState(), ev.CallStarted(greet=False))


def quiet(state: TurnState) -> bool:
    return state.phase is Phase.LISTENING and not state.utterance and not state.user_speaking


def test_a_report_is_ordered_only_where_nobody_speaks_and_never_waits_there() -> None:
    for before, event, after, actions in happenings():
        for action in actions:
            if isinstance(action, ev.Report):
                assert not after.utterance, (before, event)
                assert not after.user_speaking, (before, event)
                assert not after.kept_text, (before, event)
                assert action.epoch == after.epoch, (before, event)
        assert not (after.report_due and quiet(after)), (before, event)


def test_what_a_tool_reports_is_due_until_a_reply_that_knows_it_begins() -> None:
    for before, event, after, actions in happenings():
        if not before.report_due or after.phase is Phase.IDLE:
            continue
        begins = [action for action in actions if isinstance(action, ev.StartReply | ev.Report)]
        assert after.report_due != bool(begins), (before, event, after)


def test_a_report_that_speech_cancels_before_it_is_heard_is_told_after_the_noise() -> None:
    state, actions = run(LISTENING, ev.ToolReported())
    assert actions == (ev.Report(1),)
    state, actions = run(state, ev.SpeechStarted(100))
    assert actions == (ev.CancelReply(1), ev.OpenUtterance(2, 100))
    state, actions = run(state, ev.EndOfTurn(100), ev.FinalHeard(2, 1, ""))
    assert actions[-1] == ev.Report(3)
    assert is_replying(state)


def test_a_report_that_speech_cancels_is_left_to_the_answer_to_that_speech() -> None:
    state, _ = run(LISTENING, ev.ToolReported(), ev.SpeechStarted(100), ev.EndOfTurn(900))
    state, actions = run(state, ev.FinalHeard(2, 1, "hello"))
    assert actions == (ev.CloseUtterance(2), ev.StartReply(2, "hello"))
    state, actions = run(state, ev.AudioBegan(2), ev.PlaybackDone(2))
    assert (state.phase, actions) == (Phase.LISTENING, ())


def test_a_report_that_the_callers_program_stops_is_not_told_again() -> None:
    state, actions = run(LISTENING, ev.ToolReported(), ev.InterruptRequested())
    assert actions == (ev.Report(1), ev.CancelReply(1))
    assert quiet(state)


def test_a_second_report_during_the_first_is_told_after_it() -> None:
    state, _ = run(LISTENING, ev.ToolReported())
    state, actions = run(state, ev.ToolReported())
    assert actions == ()
    state, actions = run(state, ev.AudioBegan(1), ev.PlaybackDone(1))
    assert actions == (ev.Report(2),)


def test_an_end_of_the_call_is_not_put_off_by_a_report() -> None:
    state, _ = run(LISTENING, ev.TextTyped("bye"), ev.AudioBegan(1), ev.ToolReported())
    state, actions = run(state, ev.PlaybackDone(1, ev.CloseReason.AGENT))
    assert (state.phase, actions) == (Phase.IDLE, (ev.EndCall(ev.CloseReason.AGENT),))
