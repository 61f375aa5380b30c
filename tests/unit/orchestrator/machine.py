"""The state machine under exploration: every state it can reach, up to names for its epochs and counters."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache

from services.orchestrator import events as ev
from services.orchestrator.deadlines import Deadlines
from services.orchestrator.state import Phase, Step, TurnState, step, watchdog

DEADLINES = Deadlines(max_idle_prompts=1, max_failures=2, max_unheard=1)
"""Few attempts, so that the states are few."""
LONG_MS = DEADLINES.unheard_speech_ms
TEXT = "book a table"
MAX_STEPS = 12
"""More deadlines in a row than any state needs to come to an outcome."""

Happening = tuple[TurnState, ev.Event, TurnState, tuple[ev.Action, ...]]


def is_replying(state: TurnState) -> bool:
    """Whether a reply or a fixed sentence is in progress."""
    waiting = state.phase is Phase.THINKING and not state.turn_over
    return waiting or state.phase is Phase.SPEAKING


def run(state: TurnState, *happened: ev.Event, deadlines: Deadlines = DEADLINES) -> Step:
    """Return the state after several events, and all that was ordered."""
    ordered: list[ev.Action] = []
    for event in happened:
        state, actions = step(state, event, deadlines)
        ordered.extend(actions)
    return state, tuple(ordered)


def from_the_caller() -> Iterator[ev.Event]:
    """Yield what may happen at any moment, whatever the state."""
    yield from (ev.CallStarted(), ev.CallStarted(greet=False), ev.CallStarted(unanswered_text=TEXT))
    yield from (ev.SpeechStarted(100), ev.SpeechStopped(), ev.EagerEndOfTurn(), ev.TurnResumed())
    yield from (ev.EndOfTurn(0), ev.EndOfTurn(LONG_MS), ev.Interruption(), ev.Backchannel(), ev.EchoHeard())
    yield from (ev.TextTyped("typed"), ev.InterruptRequested(), ev.ToolReported(), ev.StageGaveUp())
    yield from (ev.WatchdogExpired(dog) for dog in ev.Watchdog)


def about_reply(epoch: int) -> Iterator[ev.Event]:
    """Yield what a reply may tell of itself."""
    yield from (ev.LineHeld(epoch, is_held=True), ev.LineHeld(epoch, is_held=False))
    yield from (ev.AudioBegan(epoch), ev.ReplyProgressed(epoch), ev.ReplyProgressed(epoch, acted=True))
    yield from (ev.PlaybackDone(epoch), ev.PlaybackDone(epoch, ev.CloseReason.AGENT))
    yield from (ev.ReplyFailed(epoch), ev.ReplyFailed(epoch, canned=True), ev.ReplyCancelled(epoch))


def about_utterance(epoch: int, finalize_id: int) -> Iterator[ev.Event]:
    """Yield what the recogniser may say of an utterance."""
    for text in ("", TEXT):
        yield ev.PartialHeard(epoch, text)
        if finalize_id:
            yield ev.FinalHeard(epoch, finalize_id, text)


def plausible(state: TurnState) -> Iterator[ev.Event]:
    """Yield every kind of event with the numbers that matter to `state`."""
    yield from from_the_caller()
    if is_replying(state) or state.phase is Phase.INTERRUPTED:
        yield from about_reply(state.epoch)
    if state.utterance:
        yield from about_utterance(state.utterance, state.finalize_id)


def stale(state: TurnState) -> Iterator[ev.Event]:
    """Yield events of turns that are no longer, or not yet, what `state` is about."""
    numbers = {0, state.last_epoch - 1, state.last_epoch, state.last_epoch + 1}
    for epoch in sorted(numbers - {state.epoch, state.utterance} | {0}):
        yield from about_reply(epoch)
        yield from about_utterance(epoch, state.finalize_id)
    if state.utterance:
        yield from (ev.FinalHeard(state.utterance, number, TEXT) for number in {0, state.finalize_id + 1})


def _renumbered(state: TurnState) -> TurnState:
    """Return `state` with small numbers, so that states that differ only in how long the call has lasted are one."""
    epochs = {0: 0} | {epoch: place for place, epoch in enumerate(sorted({state.epoch, state.utterance} - {0}), 1)}
    last = max(epochs.values()) + 1
    return state._replace(
        epoch=epochs[state.epoch],
        utterance=epochs[state.utterance],
        last_epoch=last,
        finalize_id=1 if state.finalize_id else 0,
        last_finalize_id=1,
        kept_text=TEXT if state.kept_text else "",
        held=state.held and replace(state.held, typed=TEXT if state.held.typed else ""),
        failures=min(state.failures, DEADLINES.max_failures),
        answering=state.answering and is_replying(state),
        activity=0,
    )


@cache
def reachable() -> tuple[TurnState, ...]:
    """Return every state that plausible events lead to, one of each kind; a call that is over stays over."""
    seen = {TurnState()}
    todo = deque(seen)
    while todo:
        state = todo.popleft()
        for event in plausible(state):
            after = _renumbered(step(state, event, DEADLINES)[0])
            if after not in seen:
                seen.add(after)
                if after.phase is not Phase.IDLE:
                    todo.append(after)
    return tuple(seen)


@cache
def happenings() -> tuple[Happening, ...]:
    """Return (before, event, after, actions) for every reachable state and every event that may happen in it."""
    return tuple((state, event, *step(state, event, DEADLINES)) for state in reachable() for event in plausible(state))


def expiring(state: TurnState) -> Iterable[Step]:
    """Yield what follows while nothing happens but that each deadline passes."""
    for _ in range(MAX_STEPS):
        dog = watchdog(state)
        if dog is None:
            return
        state, actions = step(state, ev.WatchdogExpired(dog), DEADLINES)
        yield state, actions
