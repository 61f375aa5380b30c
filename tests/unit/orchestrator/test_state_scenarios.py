"""The turn-taking of the architecture, scenario by scenario."""

from __future__ import annotations

import pytest

from services.orchestrator import events as ev
from services.orchestrator.state import Phase, TurnState
from tests.unit.orchestrator.machine import DEADLINES, LONG_MS, run

pytestmark = pytest.mark.unit


def call() -> TurnState:
    return run(TurnState(), ev.CallStarted(greet=False))[0]


def asked(text: str, state: TurnState | None = None) -> TurnState:
    """Return the state in which `text` is being answered."""
    state, _ = run(state or call(), ev.SpeechStarted(100), ev.SpeechStopped(), ev.EagerEndOfTurn())
    final = ev.FinalHeard(state.utterance, state.finalize_id, text)
    return run(state, final, ev.EndOfTurn(LONG_MS))[0]


def speaking() -> TurnState:
    state = asked("what do you offer")
    return run(state, ev.AudioBegan(state.epoch))[0]


# --- a call begins ----------------------------------------------------------------------------------------------------


def test_a_call_begins_with_a_greeting_and_then_the_caller_has_the_turn() -> None:
    state, actions = run(TurnState(), ev.CallStarted())
    assert actions == (ev.Say(1, ev.Phrase.GREETING),)
    state, actions = run(state, ev.AudioBegan(1), ev.PlaybackDone(1))
    assert (state.phase, actions) == (Phase.LISTENING, ())


def test_a_resumed_call_answers_what_was_left_without_an_answer() -> None:
    state, actions = run(TurnState(last_epoch=7), ev.CallStarted(greet=False, unanswered_text="book a table"))
    assert actions == (ev.StartReply(8, "book a table"),)
    assert state.phase is Phase.THINKING


def test_a_resumed_call_goes_on_with_the_epochs_of_the_first() -> None:
    state, _ = run(TurnState(last_epoch=7, epoch=7), ev.CallStarted(greet=False))
    assert run(state, ev.SpeechStarted(0))[1] == (ev.OpenUtterance(8, 0),)


# --- a turn -----------------------------------------------------------------------------------------------------------


def test_a_turn_whose_transcript_is_known_is_answered_at_its_end() -> None:
    state, actions = run(call(), ev.SpeechStarted(480), ev.SpeechStopped(), ev.EagerEndOfTurn())
    assert actions == (ev.OpenUtterance(1, 480), ev.Finalize(1, 1))
    assert state.phase is Phase.LISTENING  # nothing may be spoken yet
    state, actions = run(state, ev.FinalHeard(1, 1, "book a table"))
    assert (state.phase, actions) == (Phase.LISTENING, ())
    state, actions = run(state, ev.EndOfTurn(900))
    assert (state.phase, actions) == (Phase.THINKING, (ev.CloseUtterance(1), ev.StartReply(1, "book a table")))


def test_a_turn_whose_transcript_is_awaited_is_answered_when_it_comes() -> None:
    state, actions = run(call(), ev.SpeechStarted(), ev.EagerEndOfTurn(), ev.EndOfTurn(900))
    assert actions[-1] == ev.Finalize(1, 1)  # asked once only
    state, actions = run(state, ev.FinalHeard(1, 1, " book a table "))
    assert actions == (ev.CloseUtterance(1), ev.StartReply(1, "book a table"))


def test_a_turn_that_ends_without_an_eager_end_is_finalised_then() -> None:
    _, actions = run(call(), ev.SpeechStarted(), ev.EndOfTurn(900))
    assert actions == (ev.OpenUtterance(1, 0), ev.Finalize(1, 1))


@pytest.mark.parametrize("resumed", [ev.TurnResumed(), ev.SpeechStarted(2000)])
def test_a_turn_that_goes_on_is_finalised_anew_and_the_earlier_final_is_stale(resumed: ev.Event) -> None:
    state, _ = run(call(), ev.SpeechStarted(), ev.EagerEndOfTurn(), resumed)
    state, actions = run(state, ev.FinalHeard(1, 1, "book"), ev.EagerEndOfTurn())
    assert actions == (ev.Finalize(1, 2),)
    state, actions = run(state, ev.FinalHeard(1, 2, "book a table"), ev.EndOfTurn(900))
    assert actions == (ev.CloseUtterance(1), ev.StartReply(1, "book a table"))


@pytest.mark.parametrize("resumed", [ev.TurnResumed(), ev.SpeechStarted(2000)])
def test_speech_while_the_transcript_is_awaited_takes_the_turn_up_again(resumed: ev.Event) -> None:
    state, _ = run(call(), ev.SpeechStarted(), ev.EndOfTurn(900))
    state, actions = run(state, resumed)
    assert (state.phase, state.utterance, actions) == (Phase.LISTENING, 1, ())


# --- THINKING + speech ------------------------------------------------------------------------------------------------


def test_speech_before_the_answer_is_heard_cancels_it_and_keeps_the_text() -> None:
    state, actions = run(asked("book a table"), ev.SpeechStarted(3000))
    assert actions == (ev.CancelReply(1, unsay_user=True), ev.OpenUtterance(2, 3000))
    assert (state.phase, state.kept_text) == (Phase.LISTENING, "book a table")
    state, actions = run(state, ev.EagerEndOfTurn(), ev.FinalHeard(2, 2, "for two"), ev.EndOfTurn(900))
    assert actions[-1] == ev.StartReply(2, "book a table for two")


def test_the_text_is_kept_through_any_number_of_starts() -> None:
    state = asked("book a table")
    for text in ("for two", "", "on friday"):
        state = asked(text, state)
    assert state.kept_text == "book a table for two on friday"


def test_noise_before_the_answer_leads_to_the_same_answer() -> None:
    state, _ = run(asked("book a table"), ev.SpeechStarted(3000), ev.EagerEndOfTurn())
    _, actions = run(state, ev.FinalHeard(2, 2, ""), ev.EndOfTurn(90))
    assert actions == (ev.CloseUtterance(2), ev.StartReply(2, "book a table"))


def test_what_a_tool_was_run_for_is_spent_and_not_taken_back() -> None:
    state, _ = run(asked("book a table"), ev.ReplyProgressed(1, acted=True))
    state, actions = run(state, ev.SpeechStarted(3000))
    assert actions[0] == ev.CancelReply(1, unsay_user=False)
    assert state.kept_text == ""
    _, actions = run(state, ev.EagerEndOfTurn(), ev.FinalHeard(2, 2, "for two"), ev.EndOfTurn(900))
    assert actions[-1] == ev.StartReply(2, "for two")


def test_speech_before_a_greeting_is_heard_takes_its_place() -> None:
    state, _ = run(TurnState(), ev.CallStarted())
    state, actions = run(state, ev.SpeechStarted(10))
    assert actions == (ev.CancelReply(1), ev.OpenUtterance(2, 10))
    assert state.phase is Phase.LISTENING


# --- SPEAKING + speech ------------------------------------------------------------------------------------------------


def test_speech_over_the_agent_pauses_it_at_once() -> None:
    state, actions = run(speaking(), ev.SpeechStarted(9000))
    assert actions == (ev.PausePlayback(1), ev.OpenUtterance(2, 9000))
    assert (state.phase, state.paused) == (Phase.SPEAKING, True)


def test_a_backchannel_resumes_where_it_paused() -> None:
    state, actions = run(speaking(), ev.SpeechStarted(9000), ev.PartialHeard(2, "uh-huh"), ev.Backchannel())
    assert actions[2:] == (ev.ResumePlayback(1), ev.CloseUtterance(2))
    assert (state.phase, state.paused, state.epoch) == (Phase.SPEAKING, False, 1)
    assert run(state, ev.PlaybackDone(1))[0].phase is Phase.LISTENING


def test_speech_that_nobody_judges_resumes_once_it_is_over() -> None:
    state, _ = run(speaking(), ev.SpeechStarted(9000), ev.SpeechStopped())
    state, actions = run(state, ev.WatchdogExpired(ev.Watchdog.JUDGEMENT))
    assert actions == (ev.ResumePlayback(1), ev.CloseUtterance(2))


def test_speech_that_nobody_judges_and_that_lasts_interrupts() -> None:
    state, _ = run(speaking(), ev.SpeechStarted(9000))
    state, actions = run(state, ev.WatchdogExpired(ev.Watchdog.JUDGEMENT))
    assert (state.phase, actions) == (Phase.INTERRUPTED, (ev.CancelReply(1),))


def test_an_interruption_cancels_and_then_the_caller_has_the_turn_with_a_new_epoch() -> None:
    state, actions = run(speaking(), ev.SpeechStarted(9000), ev.PartialHeard(2, "no wait"), ev.Interruption())
    assert (state.phase, actions[2:]) == (Phase.INTERRUPTED, (ev.CancelReply(1),))
    state, actions = run(state, ev.ReplyCancelled(1))
    assert (state.phase, state.epoch, state.utterance, actions) == (Phase.LISTENING, 2, 2, ())
    _, actions = run(state, ev.EagerEndOfTurn(), ev.FinalHeard(2, 2, "no wait"), ev.EndOfTurn(900))
    assert actions[-1] == ev.StartReply(2, "no wait")


def test_an_interruption_without_a_start_of_speech_opens_an_utterance() -> None:
    state, actions = run(speaking(), ev.Interruption())
    assert actions == (ev.CancelReply(1), ev.OpenUtterance(2, 0))
    assert run(state, ev.ReplyCancelled(1))[0].utterance == 2


def test_a_turn_that_is_over_before_it_was_judged_is_answered() -> None:
    state, actions = run(speaking(), ev.SpeechStarted(9000), ev.EagerEndOfTurn(), ev.FinalHeard(2, 2, "stop"))
    state, actions = run(state, ev.EndOfTurn(400))
    assert (state.phase, actions) == (Phase.INTERRUPTED, (ev.CancelReply(1),))
    _, actions = run(state, ev.ReplyCancelled(1))
    assert actions == (ev.CloseUtterance(2), ev.StartReply(2, "stop"))


def test_a_turn_that_ends_while_it_is_established_what_was_heard_is_finalised_meanwhile() -> None:
    state, actions = run(speaking(), ev.SpeechStarted(9000), ev.Interruption(), ev.EndOfTurn(900))
    assert actions[-1] == ev.Finalize(2, 2)
    state, actions = run(state, ev.FinalHeard(2, 2, "no wait"), ev.ReplyCancelled(1))
    assert actions == (ev.CloseUtterance(2), ev.StartReply(2, "no wait"))


def test_an_interruption_that_is_never_confirmed_goes_on_all_the_same() -> None:
    state, _ = run(speaking(), ev.SpeechStarted(9000), ev.Interruption())
    state, _ = run(state, ev.WatchdogExpired(ev.Watchdog.CANCELLATION))
    assert (state.phase, state.utterance) == (Phase.LISTENING, 2)
    assert run(state, ev.ReplyCancelled(1)) == (state, ())


def test_audio_of_a_cancelled_reply_changes_nothing() -> None:
    state, _ = run(asked("book a table"), ev.SpeechStarted(3000))
    assert run(state, ev.AudioBegan(1), ev.PlaybackDone(1), ev.ReplyFailed(1)) == (state, ())


# --- the caller types, or presses stop --------------------------------------------------------------------------------


def test_stop_while_the_agent_speaks_is_an_interruption() -> None:
    state, actions = run(speaking(), ev.InterruptRequested())
    assert (state.phase, actions) == (Phase.INTERRUPTED, (ev.CancelReply(1),))
    assert run(state, ev.ReplyCancelled(1))[0].phase is Phase.LISTENING


def test_stop_before_the_answer_is_heard_gives_the_question_up() -> None:
    state, actions = run(asked("book a table"), ev.InterruptRequested())
    assert (state.phase, state.kept_text, actions) == (Phase.LISTENING, "", (ev.CancelReply(1),))


def test_typed_text_is_a_turn() -> None:
    state, actions = run(call(), ev.TextTyped("hello"))
    assert (state.phase, actions) == (Phase.THINKING, (ev.StartReply(1, "hello"),))


def test_typed_text_stops_the_agent() -> None:
    _, actions = run(speaking(), ev.TextTyped("hello"))
    assert actions == (ev.CancelReply(1), ev.StartReply(2, "hello"))


def test_typed_text_joins_what_is_being_answered() -> None:
    _, actions = run(asked("book a table"), ev.TextTyped("for two"))
    assert actions == (ev.CancelReply(1, unsay_user=True), ev.StartReply(2, "book a table for two"))


@pytest.mark.parametrize(
    "ways",
    [
        (ev.PartialHeard(1, "book a table"),),
        (ev.PartialHeard(1, "book a table"), ev.EndOfTurn(900)),
        (ev.EagerEndOfTurn(), ev.FinalHeard(1, 1, "book a table")),
    ],
)
def test_typed_text_joins_what_was_just_said(ways: tuple[ev.Event, ...]) -> None:
    state, _ = run(call(), ev.SpeechStarted(), *ways)
    _, actions = run(state, ev.TextTyped("for two"))
    assert actions == (ev.CloseUtterance(1), ev.StartReply(2, "book a table for two"))


# --- speech without words ---------------------------------------------------------------------------------------------


def test_a_short_noise_is_let_pass() -> None:
    state, actions = run(call(), ev.SpeechStarted(), ev.EndOfTurn(LONG_MS - 1), ev.FinalHeard(1, 1, ""))
    assert actions[-1] == ev.CloseUtterance(1)
    assert (state.phase, state.utterance) == (Phase.LISTENING, 0)


def test_longer_speech_without_words_is_asked_after_but_not_for_ever() -> None:
    state = call()
    asked_after = []
    for _ in range(DEADLINES.max_unheard + 1):
        state, _ = run(state, ev.SpeechStarted(), ev.EndOfTurn(LONG_MS))
        state, actions = run(state, ev.FinalHeard(state.utterance, state.finalize_id, ""))
        said = [action for action in actions if isinstance(action, ev.Say)]
        asked_after.append(bool(said))
        state, _ = run(state, ev.AudioBegan(state.epoch), ev.PlaybackDone(state.epoch))
    assert asked_after == [True] * DEADLINES.max_unheard + [False]


# --- what fails -------------------------------------------------------------------------------------------------------


def test_a_recogniser_that_owes_its_answer_is_taken_at_its_last_guess_and_restarted() -> None:
    state, _ = run(call(), ev.SpeechStarted(), ev.PartialHeard(1, "book a"), ev.EndOfTurn(900))
    _, actions = run(state, ev.WatchdogExpired(ev.Watchdog.TRANSCRIPT))
    assert actions == (ev.RestartRecogniser(), ev.CloseUtterance(1), ev.StartReply(1, "book a"))


def test_a_recogniser_that_said_nothing_at_all_is_apologised_for() -> None:
    state, _ = run(call(), ev.SpeechStarted(), ev.EndOfTurn(900))
    _, actions = run(state, ev.WatchdogExpired(ev.Watchdog.TRANSCRIPT))
    assert actions == (ev.RestartRecogniser(), ev.CloseUtterance(1), ev.Say(2, ev.Phrase.APOLOGY))


def test_a_turn_detector_that_went_silent_does_not_keep_the_caller_waiting() -> None:
    state, _ = run(call(), ev.SpeechStarted(), ev.PartialHeard(1, "book a table"))
    state, actions = run(state, ev.WatchdogExpired(ev.Watchdog.UTTERANCE))
    assert (state.phase, actions) == (Phase.THINKING, (ev.Finalize(1, 1),))


def test_an_answer_that_breaks_off_is_apologised_for() -> None:
    state, actions = run(speaking(), ev.ReplyFailed(1))
    assert (state.phase, actions) == (Phase.THINKING, (ev.Say(2, ev.Phrase.APOLOGY),))


def test_an_answer_that_hangs_is_cancelled_and_apologised_for() -> None:
    for state, dog in ((asked("hello"), ev.Watchdog.REPLY), (speaking(), ev.Watchdog.STALL)):
        _, actions = run(state, ev.WatchdogExpired(dog))
        assert actions == (ev.CancelReply(1), ev.Say(2, ev.Phrase.APOLOGY))


def test_the_agent_may_end_the_call_with_its_answer() -> None:
    state, actions = run(speaking(), ev.PlaybackDone(1, ev.CloseReason.AGENT))
    assert (state.phase, actions) == (Phase.IDLE, (ev.EndCall(ev.CloseReason.AGENT),))
