"""Silence is never an outcome: from every reachable state, deadlines alone lead to speech or to the end of the call."""

from __future__ import annotations

from collections import deque

import pytest

from services.orchestrator import events as ev
from services.orchestrator.deadlines import Deadlines
from services.orchestrator.state import Phase, TurnState, step, watchdog
from tests.unit.orchestrator.machine import (
    DEADLINES,
    MAX_STEPS,
    expiring,
    is_replying,
    plausible,
    reachable,
    run,
)

pytestmark = pytest.mark.unit

_OUTCOMES = (ev.Say, ev.StartReply, ev.Report, ev.EndCall, ev.ResumePlayback)
EXPIRIES_TO_AN_OUTCOME = 4
"""The longest way: speech over the agent is not judged, its cancellation is not confirmed, the turn does not end, the
transcript does not come."""


def test_deadlines_alone_lead_to_speech_or_to_the_end() -> None:
    for state in reachable():
        if state.phase is Phase.IDLE:
            continue
        for expired, (_, actions) in enumerate(expiring(state), 1):
            if any(isinstance(action, _OUTCOMES) for action in actions):
                assert expired <= EXPIRIES_TO_AN_OUTCOME, state
                break
        else:
            pytest.fail(f"nothing was ever said: {state}")


def test_a_call_in_which_nothing_works_any_more_ends() -> None:
    for state in reachable():
        if state.phase is not Phase.IDLE:
            steps = list(expiring(state))
            assert steps[-1][0].phase is Phase.IDLE, state
            assert isinstance(steps[-1][1][-1], ev.EndCall), state


def test_a_call_in_which_every_reply_fails_ends_too() -> None:
    for state in reachable():
        if state.phase is Phase.IDLE:
            continue
        for _ in range(MAX_STEPS):
            dog = watchdog(state)
            if dog is None:
                break
            failure = ev.ReplyFailed(state.epoch, canned=True)
            state, _ = step(state, failure if is_replying(state) else ev.WatchdogExpired(dog), DEADLINES)
        assert state.phase is Phase.IDLE, state


@pytest.mark.parametrize("last", [ev.PlaybackDone, ev.ReplyFailed])
def test_a_call_without_a_stage_ends_with_its_goodbye(last: type[ev.PlaybackDone] | type[ev.ReplyFailed]) -> None:
    for state in reachable():
        if state.phase is Phase.IDLE:
            continue
        said, actions = step(state, ev.StageGaveUp(), DEADLINES)
        assert is_replying(said), state
        for event in (last(said.epoch), ev.ReplyFailed(said.epoch, canned=True)):
            over, actions = step(said, event, DEADLINES)
            assert over.phase is Phase.IDLE, (state, event)
            assert actions[-1] == ev.EndCall(ev.CloseReason.STAGE_FAILED), (state, event)


def test_nothing_the_caller_does_keeps_a_call_alive_whose_stage_is_gone() -> None:
    """Otherwise a word over the goodbye leaves a call that can no longer hear, or no longer speak."""
    begun, _ = run(TurnState(), ev.CallStarted(), ev.StageGaveUp())
    seen, todo = {begun}, deque([begun])
    while todo:
        state = todo.popleft()
        for event in plausible(state):
            after, actions = step(state, event, DEADLINES)
            for action in actions:
                assert isinstance(action, ev.EndCall | ev.CancelReply), (state, event, action)
            if after.phase is Phase.IDLE:
                continue
            assert after.close is ev.CloseReason.STAGE_FAILED, (state, event)
            assert after.epoch == begun.epoch, (state, event)
            if after not in seen and after.activity < 3:
                seen.add(after)
                todo.append(after)


def test_a_second_stage_that_gives_up_does_not_start_the_goodbye_anew() -> None:
    begun, _ = run(TurnState(), ev.CallStarted(), ev.StageGaveUp())
    assert run(begun, ev.StageGaveUp()) == (begun, ())


def _failing_turn(state: TurnState, number: int) -> tuple[TurnState, tuple[ev.Action, ...]]:
    """Let the caller speak, the answer fail, and the apology for it be heard to its end."""
    state, actions = run(state, ev.SpeechStarted(), ev.EagerEndOfTurn(), deadlines=Deadlines())
    asked = ev.FinalHeard(state.utterance, state.finalize_id, f"request {number}")
    state, actions = run(state, asked, ev.EndOfTurn(900), deadlines=Deadlines())
    assert isinstance(actions[-1], ev.StartReply)
    state, actions = run(state, ev.ReplyFailed(state.epoch), deadlines=Deadlines())
    said = actions[-1]
    assert isinstance(said, ev.Say)
    after, more = run(state, ev.AudioBegan(said.epoch), ev.PlaybackDone(said.epoch, said.close), deadlines=Deadlines())
    return after, (*actions, *more)


def test_apologies_that_are_heard_are_no_answers_and_the_call_ends_after_three_failures() -> None:
    state, _ = run(TurnState(), ev.CallStarted(greet=False))
    for number in (1, 2):
        state, actions = _failing_turn(state, number)
        assert actions == (ev.Say(state.epoch, ev.Phrase.APOLOGY),)
        assert state.phase is Phase.LISTENING
    state, actions = _failing_turn(state, 3)
    reason = ev.CloseReason.STAGE_FAILED
    assert actions == (ev.Say(state.epoch, ev.Phrase.GOODBYE, reason), ev.EndCall(reason))


def test_an_answer_that_was_heard_forgives_earlier_failures() -> None:
    state, _ = run(TurnState(), ev.CallStarted(greet=False))
    for number in (1, 2):
        state, _ = _failing_turn(state, number)
    state, actions = run(state, ev.TextTyped("hello"), deadlines=Deadlines())
    state, _ = run(state, ev.AudioBegan(state.epoch), ev.PlaybackDone(state.epoch), deadlines=Deadlines())
    assert state.failures == 0
    _, actions = _failing_turn(state, 3)
    assert [type(action) for action in actions] == [ev.Say]


def test_a_caller_who_is_gone_is_asked_and_then_left() -> None:
    state, _ = run(TurnState(), ev.CallStarted(greet=False))
    said = []
    for _ in range(3):
        state, actions = run(state, ev.WatchdogExpired(ev.Watchdog.IDLE), deadlines=Deadlines())
        action = actions[-1]
        assert isinstance(action, ev.Say)
        said.append((action.phrase, action.close))
        done = ev.PlaybackDone(action.epoch, action.close)
        state, actions = run(state, ev.AudioBegan(action.epoch), done, deadlines=Deadlines())
    prompt = (ev.Phrase.IDLE_PROMPT, None)
    assert said == [prompt, prompt, (ev.Phrase.GOODBYE, ev.CloseReason.IDLE)]
    assert actions == (ev.EndCall(ev.CloseReason.IDLE),)


def test_a_caller_who_answers_the_last_goodbye_is_heard() -> None:
    state, _ = run(TurnState(), ev.CallStarted(greet=False))
    for _ in range(DEADLINES.max_idle_prompts):
        state, _ = run(state, ev.WatchdogExpired(ev.Watchdog.IDLE))
        state, _ = run(state, ev.AudioBegan(state.epoch), ev.PlaybackDone(state.epoch))
    state, _ = run(state, ev.WatchdogExpired(ev.Watchdog.IDLE))
    state, _ = run(state, ev.AudioBegan(state.epoch), ev.SpeechStarted(), ev.Interruption())
    state, _ = run(state, ev.ReplyCancelled(state.epoch))
    assert (state.phase, state.close) == (Phase.LISTENING, None)


def test_each_deadline_is_the_one_set_for_it() -> None:
    deadlines = Deadlines(1, 2, 3, 4, 5, 6, 7)
    assert [deadlines.of(dog) for dog in ev.Watchdog] == [1, 2, 3, 4, 5, 6, 7]
