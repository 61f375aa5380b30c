"""The turn-taking state machine: a pure function `(state, event) -> (state, actions)`.

Five phases. IDLE: no call yet, or over. LISTENING: the caller has the turn. THINKING: the caller's turn is over, the
answer is not audible yet. SPEAKING: the agent is heard (or paused while speech over it is judged). INTERRUPTED: the
caller took the turn; what was heard is being established.

Epochs number turns. Whatever begins a turn (an utterance, a fixed sentence, typed text) takes the next number; an event
that names an older epoch is stale and changes nothing. Each state is watched by exactly one deadline (`watchdog`), so
every turn ends in a reply, an apology or a clean close.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.orchestrator import events as ev
from services.orchestrator import late_reports
from services.orchestrator.deadlines import Deadlines
from services.orchestrator.events import Action, CloseReason, Event, Phrase, Watchdog
from services.orchestrator.moves import (
    Step,
    closing,
    finalize,
    listen,
    not_over,
    open_utterance,
    reply,
    say,
    without_utterance,
)
from services.orchestrator.turn_state import HeldLine, Phase, TurnState, watchdog

__all__ = ["Phase", "Step", "TurnState", "step", "watchdog"]


def step(state: TurnState, event: Event, deadlines: Deadlines) -> Step:
    """Return the state after `event` and what to do about it. Events that do not apply change nothing."""
    if state.phase is Phase.IDLE:
        return _start(state, event) if isinstance(event, ev.CallStarted) else (state, ())
    if state.close is CloseReason.STAGE_FAILED and type(event) not in _ENDING:
        return state, ()  # the stage is gone: nothing the caller says over the goodbye can keep the call alive
    after, actions = _HANDLERS[type(event)](state, event, deadlines)
    after, report = late_reports.tell(after)
    return after, (*actions, *report)


# --- the call begins --------------------------------------------------------------------------------------------------


def _start(state: TurnState, event: ev.CallStarted) -> Step:
    if event.unanswered_text:
        return reply(state._replace(last_epoch=state.last_epoch + 1), state.last_epoch + 1, event.unanswered_text)
    if event.greet:
        return say(state, Phrase.GREETING)
    return state._replace(phase=Phase.LISTENING), ()


# --- the caller speaks ------------------------------------------------------------------------------------------------


def _speech_started(state: TurnState, event: ev.SpeechStarted, deadlines: Deadlines) -> Step:
    if state.utterance:  # the same turn goes on: what was final no longer covers all of it
        went_on = not_over(state)._replace(user_speaking=True)
        if state.phase is Phase.THINKING:
            went_on = listen(went_on)
        elif state.phase is Phase.SPEAKING and not state.paused and not state.held:
            return went_on._replace(paused=True), (ev.PausePlayback(state.epoch),)
        return went_on, ()
    opened, actions = open_utterance(state, event.onset_ms)
    match state.phase:
        case Phase.SPEAKING if not state.held:
            return opened._replace(paused=True), (ev.PausePlayback(state.epoch), *actions)
        case Phase.THINKING:  # the turn was not over: keep the text and go on listening
            cancel = ev.CancelReply(state.epoch, unsay_user=bool(state.kept_text))
            return late_reports.untold(listen(opened)), (cancel, *actions)
        case Phase.LISTENING:
            return listen(opened), actions
    return opened, actions


def _speech_stopped(state: TurnState, event: ev.SpeechStopped, deadlines: Deadlines) -> Step:
    return state._replace(user_speaking=False, activity=state.activity + 1), ()


def _turn_resumed(state: TurnState, event: ev.TurnResumed, deadlines: Deadlines) -> Step:
    if not state.utterance:
        return state, ()
    resumed = not_over(state)._replace(user_speaking=True)
    return (listen(resumed) if state.phase is Phase.THINKING else resumed), ()


def _eager_end(state: TurnState, event: ev.EagerEndOfTurn, deadlines: Deadlines) -> Step:
    if not state.utterance or state.finalize_id:
        return state, ()
    return finalize(state)


def _end_of_turn(state: TurnState, event: ev.EndOfTurn, deadlines: Deadlines) -> Step:
    if not state.utterance:
        return state, ()
    over = state._replace(turn_over=True, user_speaking=False, speech_ms=event.speech_ms)
    match state.phase:
        case Phase.SPEAKING if over.held:
            return _finalized(_claimed(over))
        case Phase.SPEAKING:  # judged by its end: it was a turn of the caller's
            return _interrupt(over)
        case Phase.INTERRUPTED:
            return _finalized(over)
    return _conclude(over, deadlines)


def _finalized(state: TurnState) -> Step:
    return (state, ()) if state.finalize_id else finalize(state)


def _conclude(state: TurnState, deadlines: Deadlines) -> Step:
    """Commit the turn that is over where its transcript is known, otherwise ask or wait for it."""
    if state.final is not None:
        return _commit(state, state.final, deadlines)
    thinking = state._replace(phase=Phase.THINKING, epoch=state.utterance)
    return _finalized(thinking)


def _commit(state: TurnState, text: str, deadlines: Deadlines) -> Step:
    whole = " ".join(part for part in (state.kept_text, text.strip()) if part)
    if whole:
        return reply(state, state.utterance, whole)
    if state.speech_ms >= deadlines.unheard_speech_ms and state.unheard < deadlines.max_unheard:
        return say(state._replace(unheard=state.unheard + 1), Phrase.NOT_HEARD)
    return without_utterance(listen(state)), closing(state)


def _partial(state: TurnState, event: ev.PartialHeard, deadlines: Deadlines) -> Step:
    if event.epoch != state.utterance or not event.epoch:
        return state, ()
    return state._replace(partial=event.text, activity=state.activity + 1), ()


def _final(state: TurnState, event: ev.FinalHeard, deadlines: Deadlines) -> Step:
    if not state.finalize_id or (event.epoch, event.finalize_id) != (state.utterance, state.finalize_id):
        return state, ()
    known = state._replace(final=event.text, partial=event.text)
    if state.turn_over and state.phase is Phase.THINKING:
        return _commit(known, event.text, deadlines)
    return known, ()


def _typed(state: TurnState, event: ev.TextTyped, deadlines: Deadlines) -> Step:
    if state.held:
        typed = " ".join(part for part in (state.held.typed, event.text) if part)
        return state._replace(held=HeldLine(is_claimed=True, typed=typed)), ()
    return _answer_typed(state, event.text, is_judged=state.phase is not Phase.SPEAKING)


def _answer_typed(state: TurnState, typed: str, *, is_judged: bool) -> Step:
    """Answer what was typed, with what was said before it; speech over the agent that is not judged is left out."""
    epoch = state.last_epoch + 1
    cancel = _cancelling(state, unsay_user=bool(state.kept_text) and state.phase is Phase.THINKING)
    said = state.final or state.partial if is_judged else ""
    text = " ".join(part for part in (state.kept_text, said.strip(), typed) if part)
    replying, actions = reply(late_reports.untold(state._replace(last_epoch=epoch, close=None)), epoch, text)
    return replying, (*cancel, *actions)


def _cancelling(state: TurnState, *, unsay_user: bool) -> tuple[Action, ...]:
    return (ev.CancelReply(state.epoch, unsay_user),) if _is_replying(state, state.epoch) else ()


def _is_replying(state: TurnState, epoch: int) -> bool:
    """Whether turn `epoch` is the reply or fixed sentence in progress."""
    return epoch == state.epoch and (
        state.phase is Phase.SPEAKING or (state.phase is Phase.THINKING and not state.turn_over)
    )


# --- speech over the agent --------------------------------------------------------------------------------------------


def _interrupt(state: TurnState) -> Step:
    cancelled = state._replace(
        phase=Phase.INTERRUPTED, paused=False, held=None, close=None, activity=state.activity + 1
    )
    return cancelled, (ev.CancelReply(state.epoch),)


def _interruption(state: TurnState, event: ev.Interruption, deadlines: Deadlines) -> Step:
    if state.phase is not Phase.SPEAKING:
        return state, ()
    if state.utterance:
        return (_claimed(state), ()) if state.held else _interrupt(state)
    opened, actions = open_utterance(state, 0)
    if state.held:
        return _claimed(opened), actions
    cancelled, cancel = _interrupt(opened)
    return cancelled, (*cancel, *actions)


def _interrupt_requested(state: TurnState, event: ev.InterruptRequested, deadlines: Deadlines) -> Step:
    if state.held:
        return _claimed(state), ()
    if state.phase is Phase.SPEAKING:
        return _interrupt(state)
    if state.phase is Phase.THINKING and not state.turn_over:
        return listen(state._replace(kept_text="", reporting=False)), (ev.CancelReply(state.epoch),)
    return state, ()


def _backchannel(state: TurnState, event: ev.Backchannel | ev.EchoHeard, deadlines: Deadlines) -> Step:
    if state.phase is not Phase.SPEAKING or not state.paused:
        return _passed_over(state)
    resumed = without_utterance(state._replace(paused=False, user_speaking=False))
    return resumed, (ev.ResumePlayback(state.epoch), *closing(state))


# --- lines that must be heard to their end ----------------------------------------------------------------------------


def _line_held(state: TurnState, event: ev.LineHeld, deadlines: Deadlines) -> Step:
    if state.phase is not Phase.SPEAKING or event.epoch != state.epoch or event.is_held == bool(state.held):
        return state, ()
    if event.is_held:
        return (state, ()) if state.paused else (state._replace(held=HeldLine()), ())
    if state.held is not None and state.held.is_claimed:
        return _give_floor(state, state.held)
    free = state._replace(held=None)
    if state.utterance and not state.paused:  # it began over the line, and is judged now
        return free._replace(paused=True), (ev.PausePlayback(state.epoch),)
    return free, ()


def _give_floor(state: TurnState, held: HeldLine) -> Step:
    """Let the caller have the floor that he claimed over a line: what he typed is answered, or the agent is silent."""
    free = state._replace(held=None)
    return _answer_typed(free, held.typed, is_judged=True) if held.typed else _interrupt(free)


def _claimed(state: TurnState) -> TurnState:
    """Return the state in which the caller gets the floor once the line that is held has been heard."""
    return state._replace(held=replace(state.held or HeldLine(), is_claimed=True))


def _passed_over(state: TurnState) -> Step:
    """Forget a sound over a held line that was no interruption."""
    if state.held is None or state.held.is_claimed or not state.utterance:
        return state, ()
    return without_utterance(state._replace(user_speaking=False)), closing(state)


def _heard_out(state: TurnState, deadlines: Deadlines) -> Step:
    """Turn to the caller after the agent's last word: to what he said or typed over a line that was held, too."""
    held, turn_over, listening = state.held, state.turn_over, listen(state._replace(kept_text="", reporting=False))
    if held is not None and held.typed:
        return _answer_typed(listening, held.typed, is_judged=True)
    return _conclude(listening, deadlines) if turn_over and state.utterance else (listening, ())


def _reply_cancelled(state: TurnState, event: ev.ReplyCancelled, deadlines: Deadlines) -> Step:
    if state.phase is not Phase.INTERRUPTED or event.epoch != state.epoch:
        return state, ()
    return _after_interruption(state, deadlines)


def _after_interruption(state: TurnState, deadlines: Deadlines) -> Step:
    listening = listen(state._replace(kept_text=""))
    return _conclude(listening, deadlines) if state.turn_over else (listening, ())


# --- the agent speaks -------------------------------------------------------------------------------------------------


def _audio_began(state: TurnState, event: ev.AudioBegan, deadlines: Deadlines) -> Step:
    if state.phase is not Phase.THINKING or not _is_replying(state, event.epoch):
        return state, ()
    heard = state._replace(phase=Phase.SPEAKING, kept_text="", reporting=False, activity=state.activity + 1)
    return heard, ()


def _progressed(state: TurnState, event: ev.ReplyProgressed, deadlines: Deadlines) -> Step:
    if not _is_replying(state, event.epoch):
        return state, ()
    return state._replace(kept_text="" if event.acted else state.kept_text, activity=state.activity + 1), ()


def _playback_done(state: TurnState, event: ev.PlaybackDone, deadlines: Deadlines) -> Step:
    if not _is_replying(state, event.epoch):
        return state, ()
    if (close := event.close or state.close) is not None:
        return _end(state, close)
    return _heard_out(state._replace(failures=0 if state.answering else state.failures), deadlines)


def _end(state: TurnState, reason: CloseReason) -> Step:
    over = state._replace(phase=Phase.IDLE, paused=False, held=None, report_due=False, reporting=False)
    return without_utterance(over), (*closing(state), ev.EndCall(reason))


def _reply_failed(state: TurnState, event: ev.ReplyFailed, deadlines: Deadlines) -> Step:
    if not _is_replying(state, event.epoch):
        return state, ()
    if state.close is not None:
        return _end(state, state.close)
    is_spoken_over = state.user_speaking and (state.paused or state.held)
    if event.canned or is_spoken_over or (state.held and state.held.is_claimed):  # no apology over the caller's words
        return _heard_out(state._replace(failures=state.failures + (not event.canned)), deadlines)
    return _apologise(state, deadlines)


def _apologise(state: TurnState, deadlines: Deadlines) -> Step:
    failures = state.failures + 1
    failed = state._replace(failures=failures)
    if failures >= deadlines.max_failures:
        return say(failed, Phrase.GOODBYE, close=CloseReason.STAGE_FAILED)
    return say(failed, Phrase.APOLOGY)


def _tool_reported(state: TurnState, event: ev.ToolReported, deadlines: Deadlines) -> Step:
    return state._replace(report_due=True), ()


def _gave_up(state: TurnState, event: ev.StageGaveUp, deadlines: Deadlines) -> Step:
    said, actions = say(state, Phrase.GOODBYE, close=CloseReason.STAGE_FAILED)
    return said, (*_cancelling(state, unsay_user=False), *actions)


# --- deadlines --------------------------------------------------------------------------------------------------------


def _expired(state: TurnState, event: ev.WatchdogExpired, deadlines: Deadlines) -> Step:
    if watchdog(state) is not event.watchdog:
        return state, ()
    match event.watchdog:
        case Watchdog.IDLE:
            if state.idle_prompts < deadlines.max_idle_prompts:
                return say(state._replace(idle_prompts=state.idle_prompts + 1), Phrase.IDLE_PROMPT)
            return say(state, Phrase.GOODBYE, close=CloseReason.IDLE)
        case Watchdog.UTTERANCE:  # the turn detector never said that the turn was over
            if state.partial or state.kept_text or state.final:
                return _conclude(state._replace(turn_over=True, user_speaking=False), deadlines)
            return say(state._replace(user_speaking=False), Phrase.NOT_HEARD)
        case Watchdog.TRANSCRIPT:
            return _transcript_missing(state, deadlines)
        case Watchdog.STALL if state.held and state.close is None and (state.held.is_claimed or state.utterance):
            return _give_floor(state, state.held)
        case Watchdog.REPLY | Watchdog.STALL:
            cancelling = _cancelling(state, unsay_user=False)
            after, actions = _end(state, state.close) if state.close else _apologise(state, deadlines)
            return after, (*cancelling, *actions)
        case Watchdog.JUDGEMENT:
            if state.user_speaking:
                return _interrupt(state)
            return _backchannel(state, ev.Backchannel(), deadlines)
        case Watchdog.CANCELLATION:
            return _after_interruption(state, deadlines)


def _transcript_missing(state: TurnState, deadlines: Deadlines) -> Step:
    """Answer what the recogniser last guessed, or apologise; and open a new stream to it, since it owes an answer."""
    text = state.partial
    after, actions = _commit(state, text, deadlines) if text or state.kept_text else _apologise(state, deadlines)
    return after, (ev.RestartRecogniser(), *actions)


_ENDING = (ev.AudioBegan, ev.ReplyProgressed, ev.PlaybackDone, ev.ReplyFailed, ev.WatchdogExpired)

_HANDLERS: dict[type, Callable[..., Step]] = {
    ev.CallStarted: lambda state, event, deadlines: (state, ()),
    ev.SpeechStarted: _speech_started,
    ev.SpeechStopped: _speech_stopped,
    ev.EagerEndOfTurn: _eager_end,
    ev.EndOfTurn: _end_of_turn,
    ev.TurnResumed: _turn_resumed,
    ev.Interruption: _interruption,
    ev.Backchannel: _backchannel,
    ev.EchoHeard: _backchannel,
    ev.PartialHeard: _partial,
    ev.FinalHeard: _final,
    ev.TextTyped: _typed,
    ev.InterruptRequested: _interrupt_requested,
    ev.AudioBegan: _audio_began,
    ev.LineHeld: _line_held,
    ev.ReplyProgressed: _progressed,
    ev.PlaybackDone: _playback_done,
    ev.ReplyFailed: _reply_failed,
    ev.ReplyCancelled: _reply_cancelled,
    ev.ToolReported: _tool_reported,
    ev.StageGaveUp: _gave_up,
    ev.WatchdogExpired: _expired,
}
