"""The transition table: each kind of state by each event, spelled out. What is not listed changes nothing."""

from __future__ import annotations

import pytest

from services.orchestrator import events as ev
from services.orchestrator.state import TurnState, step, watchdog
from tests.unit.orchestrator.machine import DEADLINES, TEXT, run

pytestmark = pytest.mark.unit

TABLE = {
    "idle": """
        CallStarted         thinking      Say""",
    "listening": """
        SpeechStarted       listening     OpenUtterance
        SpeechStopped       listening
        TextTyped           thinking      StartReply
        ToolReported        thinking      Report
        StageGaveUp         thinking      Say
        WatchdogExpired     thinking      Say""",
    "hearing": """
        SpeechStarted       listening
        SpeechStopped       listening
        EagerEndOfTurn      listening     Finalize
        EndOfTurn           thinking      Finalize
        TurnResumed         listening
        PartialHeard        listening
        TextTyped           thinking      CloseUtterance StartReply
        ToolReported        listening
        StageGaveUp         thinking      CloseUtterance Say
        WatchdogExpired     thinking      CloseUtterance Say""",
    "transcribed": """
        SpeechStarted       listening
        SpeechStopped       listening
        EndOfTurn           thinking      CloseUtterance StartReply
        TurnResumed         listening
        PartialHeard        listening
        FinalHeard          listening
        TextTyped           thinking      CloseUtterance StartReply
        ToolReported        listening
        StageGaveUp         thinking      CloseUtterance Say
        WatchdogExpired     thinking      CloseUtterance StartReply""",
    "awaiting transcript": """
        SpeechStarted       listening
        SpeechStopped       thinking
        TurnResumed         listening
        PartialHeard        thinking
        FinalHeard          thinking      CloseUtterance StartReply
        TextTyped           thinking      CloseUtterance StartReply
        ToolReported        thinking
        StageGaveUp         thinking      CloseUtterance Say
        WatchdogExpired     thinking      RestartRecogniser CloseUtterance Say""",
    "answering": """
        SpeechStarted       listening     CancelReply OpenUtterance
        SpeechStopped       thinking
        TextTyped           thinking      CancelReply StartReply
        InterruptRequested  listening     CancelReply
        AudioBegan          speaking
        ReplyProgressed     thinking
        PlaybackDone        listening
        ReplyFailed         thinking      Say
        ToolReported        thinking
        StageGaveUp         thinking      CancelReply Say
        WatchdogExpired     thinking      CancelReply Say""",
    "saying": """
        SpeechStarted       listening     CancelReply OpenUtterance
        SpeechStopped       thinking
        TextTyped           thinking      CancelReply StartReply
        InterruptRequested  listening     CancelReply
        AudioBegan          speaking
        ReplyProgressed     thinking
        PlaybackDone        listening
        ReplyFailed         thinking      Say
        ToolReported        thinking
        StageGaveUp         thinking      CancelReply Say
        WatchdogExpired     thinking      CancelReply Say""",
    "speaking": """
        SpeechStarted       speaking      PausePlayback OpenUtterance
        SpeechStopped       speaking
        Interruption        interrupted   CancelReply OpenUtterance
        TextTyped           thinking      CancelReply StartReply
        InterruptRequested  interrupted   CancelReply
        LineHeld            speaking
        ReplyProgressed     speaking
        PlaybackDone        listening
        ReplyFailed         thinking      Say
        ToolReported        speaking
        StageGaveUp         thinking      CancelReply Say
        WatchdogExpired     thinking      CancelReply Say""",
    "paused": """
        SpeechStarted       speaking
        SpeechStopped       speaking
        EagerEndOfTurn      speaking      Finalize
        EndOfTurn           interrupted   CancelReply
        TurnResumed         speaking
        Interruption        interrupted   CancelReply
        Backchannel         speaking      ResumePlayback CloseUtterance
        EchoHeard           speaking      ResumePlayback CloseUtterance
        PartialHeard        speaking
        TextTyped           thinking      CancelReply CloseUtterance StartReply
        InterruptRequested  interrupted   CancelReply
        ReplyProgressed     speaking
        PlaybackDone        listening
        ReplyFailed         listening
        ToolReported        speaking
        StageGaveUp         thinking      CancelReply CloseUtterance Say
        WatchdogExpired     interrupted   CancelReply""",
    "held": """
        SpeechStarted       speaking      OpenUtterance
        SpeechStopped       speaking
        Interruption        speaking      OpenUtterance
        TextTyped           speaking
        InterruptRequested  speaking
        LineHeld            speaking
        ReplyProgressed     speaking
        PlaybackDone        listening
        ReplyFailed         thinking      Say
        ToolReported        speaking
        StageGaveUp         thinking      CancelReply Say
        WatchdogExpired     thinking      CancelReply Say""",
    "held, spoken over": """
        SpeechStarted       speaking
        SpeechStopped       speaking
        EagerEndOfTurn      speaking      Finalize
        EndOfTurn           speaking      Finalize
        TurnResumed         speaking
        Interruption        speaking
        Backchannel         speaking      CloseUtterance
        EchoHeard           speaking      CloseUtterance
        PartialHeard        speaking
        TextTyped           speaking
        InterruptRequested  speaking
        LineHeld            speaking      PausePlayback
        ReplyProgressed     speaking
        PlaybackDone        listening
        ReplyFailed         listening
        ToolReported        speaking
        StageGaveUp         thinking      CancelReply CloseUtterance Say
        WatchdogExpired     interrupted   CancelReply""",
    "held, claimed": """
        SpeechStarted       speaking
        SpeechStopped       speaking
        TurnResumed         speaking
        PartialHeard        speaking
        FinalHeard          speaking
        TextTyped           speaking
        LineHeld            interrupted   CancelReply
        ReplyProgressed     speaking
        PlaybackDone        thinking
        ReplyFailed         thinking
        ToolReported        speaking
        StageGaveUp         thinking      CancelReply CloseUtterance Say
        WatchdogExpired     interrupted   CancelReply""",
    "held, typed over": """
        SpeechStarted       speaking      OpenUtterance
        SpeechStopped       speaking
        Interruption        speaking      OpenUtterance
        TextTyped           speaking
        LineHeld            thinking      CancelReply StartReply
        ReplyProgressed     speaking
        PlaybackDone        thinking      StartReply
        ReplyFailed         thinking      StartReply
        ToolReported        speaking
        StageGaveUp         thinking      CancelReply Say
        WatchdogExpired     thinking      CancelReply StartReply""",
    "stopped": """
        SpeechStarted       interrupted   OpenUtterance
        SpeechStopped       interrupted
        TextTyped           thinking      StartReply
        ReplyCancelled      listening
        ToolReported        interrupted
        StageGaveUp         thinking      Say
        WatchdogExpired     listening""",
    "interrupted": """
        SpeechStarted       interrupted
        SpeechStopped       interrupted
        EagerEndOfTurn      interrupted   Finalize
        EndOfTurn           interrupted   Finalize
        TurnResumed         interrupted
        PartialHeard        interrupted
        TextTyped           thinking      CloseUtterance StartReply
        ReplyCancelled      listening
        ToolReported        interrupted
        StageGaveUp         thinking      CloseUtterance Say
        WatchdogExpired     listening""",
    "reporting": """
        SpeechStarted       listening     CancelReply OpenUtterance
        SpeechStopped       thinking
        TextTyped           thinking      CancelReply StartReply
        InterruptRequested  listening     CancelReply
        AudioBegan          speaking
        ReplyProgressed     thinking
        PlaybackDone        listening
        ReplyFailed         thinking      Say
        ToolReported        thinking
        StageGaveUp         thinking      CancelReply Say
        WatchdogExpired     thinking      CancelReply Say""",
    "speaking, a report due": """
        SpeechStarted       speaking      PausePlayback OpenUtterance
        SpeechStopped       speaking
        Interruption        interrupted   CancelReply OpenUtterance
        TextTyped           thinking      CancelReply StartReply
        InterruptRequested  interrupted   CancelReply
        LineHeld            speaking
        ReplyProgressed     speaking
        PlaybackDone        thinking      Report
        ReplyFailed         thinking      Say
        StageGaveUp         thinking      CancelReply Say
        WatchdogExpired     thinking      CancelReply Say""",
    "closing": """
        AudioBegan          speaking
        ReplyProgressed     thinking
        PlaybackDone        idle          EndCall
        ReplyFailed         idle          EndCall
        WatchdogExpired     idle          CancelReply EndCall""",
}


def _states() -> dict[str, TurnState]:
    listening, _ = run(TurnState(), ev.CallStarted(greet=False))
    hearing, _ = run(listening, ev.SpeechStarted(100))
    final = ev.FinalHeard(hearing.utterance, 1, TEXT)
    transcribed, _ = run(hearing, ev.SpeechStopped(), ev.EagerEndOfTurn(), final)
    answering, _ = run(transcribed, ev.EndOfTurn(900))
    speaking, _ = run(answering, ev.AudioBegan(answering.epoch))
    paused, _ = run(speaking, ev.SpeechStarted(5000))
    held, _ = run(speaking, ev.LineHeld(speaking.epoch, is_held=True))
    over_held, _ = run(held, ev.SpeechStarted(5000))
    return {
        "idle": TurnState(),
        "listening": listening,
        "hearing": hearing,
        "transcribed": transcribed,
        "awaiting transcript": run(hearing, ev.EndOfTurn(900))[0],
        "answering": answering,
        "saying": run(listening, ev.WatchdogExpired(ev.Watchdog.IDLE))[0],
        "speaking": speaking,
        "paused": paused,
        "held": held,
        "held, spoken over": over_held,
        "held, claimed": run(over_held, ev.EndOfTurn(900))[0],
        "held, typed over": run(held, ev.TextTyped("typed"))[0],
        "stopped": run(speaking, ev.InterruptRequested())[0],
        "interrupted": run(paused, ev.Interruption())[0],
        "reporting": run(listening, ev.ToolReported())[0],
        "speaking, a report due": run(speaking, ev.ToolReported())[0],
        "closing": run(listening, ev.StageGaveUp())[0],
    }


STATES = _states()


def _events(state: TurnState) -> list[ev.Event]:
    epoch, heard = state.epoch, state.utterance or state.epoch
    return [
        ev.CallStarted(),
        ev.SpeechStarted(9000),
        ev.SpeechStopped(),
        ev.EagerEndOfTurn(),
        ev.EndOfTurn(900),
        ev.TurnResumed(),
        ev.Interruption(),
        ev.Backchannel(),
        ev.EchoHeard(),
        ev.PartialHeard(heard, "words"),
        ev.FinalHeard(heard, state.finalize_id, "words"),
        ev.TextTyped("typed"),
        ev.InterruptRequested(),
        ev.AudioBegan(epoch),
        ev.LineHeld(epoch, is_held=state.held is None),
        ev.ReplyProgressed(epoch),
        ev.PlaybackDone(epoch),
        ev.ReplyFailed(epoch),
        ev.ReplyCancelled(epoch),
        ev.ToolReported(),
        ev.StageGaveUp(),
        ev.WatchdogExpired(watchdog(state) or ev.Watchdog.IDLE),
    ]


def _expected(name: str) -> dict[str, tuple[str, list[str]]]:
    lines = (line.split() for line in TABLE[name].strip().splitlines())
    return {event: (phase, actions) for event, phase, *actions in lines}


def test_the_table_has_every_event() -> None:
    assert {type(event) for event in _events(TurnState())} == set(ev.Event.__args__)


@pytest.mark.parametrize("name", TABLE)
def test_transitions(name: str) -> None:
    before = STATES[name]
    found = {}
    for event in _events(before):
        after, actions = step(before, event, DEADLINES)
        if (after, actions) != (before, ()):
            found[type(event).__name__] = (after.phase.value, [type(action).__name__ for action in actions])
    assert found == _expected(name)
