"""Whether everything in the demo came out right. Pure: what was expected and what happened in, what is wrong out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from parley import events
from parley.demo.caller import Played
from parley.demo.desk import DeskCall
from parley.demo.script import ENDED_BY, ExpectedCall, Step


def find_faults(
    played: Played, steps: Sequence[Step], expected: Sequence[ExpectedCall], calls: Sequence[DeskCall]
) -> list[str]:
    """Return what went wrong, in words; empty where nothing did."""
    faults = [played.failure] if played.failure else []
    faults += _turn_faults(played.turns, steps)
    faults += _tool_faults(expected, calls)
    faults += [f"error {event.code}: {event.message}" for event in played.heard if isinstance(event, events.ErrorEvent)]
    faults += [
        f"tool {event.tool} failed: {event.error}"
        for event in played.heard
        if isinstance(event, events.ToolCall) and event.status is events.ToolStatus.FAILED
    ]
    if played.stale_frames:
        faults.append(f"{played.stale_frames} stale audio frames arrived after a barge-in")
    reasons = [event.reason for event in played.heard if isinstance(event, events.Ended)]
    if reasons != [ENDED_BY]:
        faults.append(f"the agent did not end the call (reasons: {reasons})")
    return faults


def _turn_faults(turns: Sequence[events.TurnSummary], steps: Sequence[Step]) -> list[str]:
    faults = []
    answers = [turn for turn in turns if turn.user_text]
    if not turns or turns[0].user_text or not turns[0].heard_text:
        faults.append("the call did not begin with a greeting that was heard")
    if len(answers) != len(steps):
        said = [turn.user_text for turn in answers]
        faults.append(f"{len(steps)} utterances, but {len(answers)} were answered: {said}")
    for number, (step, turn) in enumerate(zip(steps, answers, strict=False)):
        faults += _answer_faults(step, turn)
        is_barged_in = number + 1 < len(steps) and steps[number + 1].barges_in_after_ms is not None
        if turn.interrupted != is_barged_in:
            faults.append(f"{step.text!r}: interrupted is {turn.interrupted}, but should be {is_barged_in}")
        if turn.interrupted and not 0 < len(turn.heard_text) < len(turn.agent_text):
            faults.append(f"{step.text!r}: of {turn.agent_text!r} the caller is said to have heard {turn.heard_text!r}")
        if turn.voice_to_voice_ms is None:
            faults.append(f"{step.text!r}: voice to voice could not be measured")
    return faults


def _answer_faults(step: Step, turn: events.TurnSummary) -> list[str]:
    if not turn.agent_text or turn.outcome:
        return [f"{step.text!r}: no answer ({turn.outcome or 'empty'})"]
    answer = turn.agent_text.lower()
    return [
        f"{step.text!r} (recognised as {turn.user_text!r}): the answer {turn.agent_text!r} does not mention {words!r}"
        for words in step.answer_mentions
        if not any(word in answer for word in words.split("|"))
    ]


def _tool_faults(expected: Sequence[ExpectedCall], calls: Sequence[DeskCall]) -> list[str]:
    wanted = [_shown(call.name, call.arguments) for call in expected]
    made = [_shown(call.name, call.arguments) for call in calls]
    return [] if wanted == made else [f"tool calls should be {wanted}, but were {made}"]


def _shown(name: str, arguments: Mapping[str, object]) -> str:
    return f"{name}({json.dumps(dict(arguments), sort_keys=True)})"


def busy_machine(load: float, cpus: int) -> str:
    """Return what to say of a machine on which speech cannot keep up with real time; empty where it is free enough."""
    if load <= cpus:
        return ""
    return (
        f"this machine is busy (a load of {load:.1f} on {cpus} CPUs), which alone may be why: try again when it is not"
    )
