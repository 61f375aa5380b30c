"""Every state the machine can reach, and every event in each: what may and may not follow."""

from __future__ import annotations

import pytest

from services.orchestrator import events as ev
from services.orchestrator.state import Phase, step, watchdog
from tests.unit.orchestrator.machine import (
    DEADLINES,
    Happening,
    about_reply,
    happenings,
    is_replying,
    plausible,
    reachable,
    stale,
)

pytestmark = pytest.mark.unit


def told(happening: Happening) -> str:
    before, event, after, actions = happening
    return f"\n{before}\n+ {event}\n= {after}\n! {actions}"


def test_every_phase_is_reached_and_every_event_is_tried() -> None:
    assert {state.phase for state in reachable()} == set(Phase)
    tried = {type(event) for state in reachable() for event in plausible(state)}
    assert tried == set(ev.Event.__args__)


def test_every_state_but_idle_has_a_deadline() -> None:
    for state in reachable():
        assert (watchdog(state) is None) == (state.phase is Phase.IDLE), state


def test_a_turn_is_awaited_or_answered_and_never_both() -> None:
    for state in reachable():
        if state.phase is Phase.THINKING:
            assert bool(state.utterance) == state.turn_over, state
        if state.phase is Phase.SPEAKING:
            assert not state.paused if state.held else bool(state.utterance) == state.paused, state
        else:
            assert not state.paused, state
            assert state.held is None, state
        if state.turn_over:
            assert state.phase in (Phase.THINKING, Phase.INTERRUPTED) or (state.held and state.held.is_claimed), state


def test_nothing_the_caller_does_stops_a_line_that_must_be_heard() -> None:
    ended = (ev.LineHeld, ev.PlaybackDone, ev.ReplyFailed, ev.StageGaveUp, ev.WatchdogExpired)
    for happening in happenings():
        before, event, after, actions = happening
        if before.held and not isinstance(event, ended):
            assert after.phase is Phase.SPEAKING, told(happening)
            assert after.held, told(happening)
            stops = [action for action in actions if isinstance(action, ev.CancelReply | ev.PausePlayback | ev.Say)]
            assert not stops, told(happening)


def test_who_claimed_the_floor_over_a_line_that_was_held_gets_it_after_the_line() -> None:
    for happening in happenings():
        before, event, after, _ = happening
        if before.held and before.held.is_claimed and before.close is None:
            if event == ev.LineHeld(before.epoch, is_held=False):
                is_answered = bool(before.held.typed) and after.phase is Phase.THINKING
                assert is_answered or after.phase is Phase.INTERRUPTED, told(happening)
            if event == ev.PlaybackDone(before.epoch) and before.turn_over:
                assert after.phase is Phase.THINKING or not after.utterance, told(happening)


def test_what_was_typed_over_a_line_that_was_held_is_answered_however_the_line_ends() -> None:
    for happening in happenings():
        before, event, after, actions = happening
        typed = before.held.typed if before.held else ""
        if typed and not after.held and not (before.close or isinstance(event, ev.StageGaveUp) or is_closing(event)):
            answered = [action.user_text for action in actions if isinstance(action, ev.StartReply)]
            assert [text.endswith(typed) for text in answered] == [True], told(happening)


def is_closing(event: ev.Event) -> bool:
    return isinstance(event, ev.PlaybackDone) and event.close is not None


def test_epochs_only_grow_and_each_turn_has_its_own() -> None:
    for happening in happenings():
        before, _, after, actions = happening
        assert after.last_epoch >= before.last_epoch, told(happening)
        assert max(after.epoch, after.utterance) <= after.last_epoch, told(happening)
        for action in actions:
            if isinstance(action, ev.OpenUtterance | ev.Say | ev.Report):
                assert before.last_epoch < action.epoch <= after.last_epoch, told(happening)
            if isinstance(action, ev.StartReply):
                is_fresh = before.last_epoch < action.epoch <= after.last_epoch
                assert is_fresh or action.epoch == before.utterance != 0, told(happening)


def test_utterances_open_and_close_in_pairs() -> None:
    for happening in happenings():
        before, _, after, actions = happening
        is_open = before.utterance
        for action in actions:
            match action:
                case ev.OpenUtterance(epoch):
                    assert not is_open, told(happening)
                    is_open = epoch
                case ev.CloseUtterance(epoch):
                    assert epoch == is_open != 0, told(happening)
                    is_open = 0
                case ev.Finalize(epoch, finalize_id):
                    assert epoch == is_open != 0, told(happening)
                    assert finalize_id == after.finalize_id > before.last_finalize_id, told(happening)
        assert after.utterance == is_open, told(happening)


def test_playback_pauses_only_while_it_plays_and_resumes_only_after_a_pause() -> None:
    for happening in happenings():
        before, _, after, actions = happening
        for action in actions:
            if isinstance(action, ev.PausePlayback):
                assert before.phase is Phase.SPEAKING, told(happening)
                assert (before.paused, after.paused) == (False, True), told(happening)
                assert action.epoch == before.epoch == after.epoch, told(happening)
            if isinstance(action, ev.ResumePlayback):
                assert before.phase is after.phase is Phase.SPEAKING, told(happening)
                assert (before.paused, after.paused) == (True, False), told(happening)
                assert action.epoch == before.epoch == after.epoch, told(happening)


def _has_ended(event: ev.Event, epoch: int) -> bool:
    return isinstance(event, ev.PlaybackDone | ev.ReplyFailed) and event.epoch == epoch


def test_a_reply_begins_only_when_the_one_before_has_ended_or_is_cancelled() -> None:
    for happening in happenings():
        before, event, after, actions = happening
        running = before.epoch if is_replying(before) and not _has_ended(event, before.epoch) else 0
        for action in actions:
            match action:
                case ev.CancelReply(epoch):
                    assert epoch == running != 0, told(happening)
                    running = 0
                case ev.StartReply(epoch) | ev.Say(epoch) | ev.Report(epoch):
                    assert not running, told(happening)
                    running = epoch
                case ev.EndCall():
                    running = 0
        assert running == (after.epoch if is_replying(after) else 0), told(happening)


def test_only_an_interruption_leads_to_interrupted_and_it_cancels() -> None:
    for happening in happenings():
        before, _, after, actions = happening
        if after.phase is Phase.INTERRUPTED and before.phase is not Phase.INTERRUPTED:
            assert ev.CancelReply(before.epoch) in actions, told(happening)


def test_the_callers_text_is_taken_back_only_where_it_is_kept() -> None:
    for happening in happenings():
        before, _, after, actions = happening
        for action in actions:
            if isinstance(action, ev.CancelReply) and action.unsay_user:
                starts = [other.user_text for other in actions if isinstance(other, ev.StartReply)]
                kept = [after.kept_text, *starts]
                assert before.kept_text, told(happening)
                assert any(text.startswith(before.kept_text) for text in kept), told(happening)


def test_the_call_is_over_exactly_when_it_is_ended() -> None:
    for happening in happenings():
        before, _, after, actions = happening
        ends = [action for action in actions if isinstance(action, ev.EndCall)]
        is_over = before.phase is not Phase.IDLE and after.phase is Phase.IDLE
        assert len(ends) == is_over, told(happening)
        if ends:
            assert actions[-1] == ends[0], told(happening)


def test_after_the_end_nothing_happens() -> None:
    for state in reachable():
        if state.phase is Phase.IDLE:
            for event in plausible(state):
                if not isinstance(event, ev.CallStarted):
                    assert step(state, event, DEADLINES) == (state, ()), (state, event)


def test_what_names_another_epoch_or_finalize_changes_nothing() -> None:
    for state in reachable():
        for event in stale(state):
            assert step(state, event, DEADLINES) == (state, ()), (state, event)


def test_what_a_reply_says_after_it_was_cancelled_changes_nothing() -> None:
    for state in reachable():
        if is_replying(state) or state.phase is Phase.INTERRUPTED:
            continue
        for event in about_reply(state.epoch):
            assert step(state, event, DEADLINES) == (state, ()), (state, event)


def test_a_watchdog_of_another_state_changes_nothing() -> None:
    for state in reachable():
        for dog in ev.Watchdog:
            if dog is not watchdog(state):
                event = ev.WatchdogExpired(dog)
                assert step(state, event, DEADLINES) == (state, ()), (state, event)
