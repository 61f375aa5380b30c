from __future__ import annotations

from dataclasses import replace

import pytest

from parley import events
from parley.demo.caller import Played
from parley.demo.checks import busy_machine, find_faults
from parley.demo.desk import DeskCall
from parley.demo.script import ExpectedCall, Step

pytestmark = pytest.mark.unit

STEPS = (Step("what do you offer", ("cleaning",)), Step("how much is it", ("eighty|80",), barges_in_after_ms=500))
EXPECTED = (ExpectedCall("check", {"day": "tuesday"}),)
CALLS = [DeskCall("check", {"day": "tuesday"})]


def turn(user: str, agent: str, heard: str | None = None) -> events.TurnSummary:
    return events.TurnSummary(
        at_ms=0,
        turn_epoch=1,
        user_text=user,
        agent_text=agent,
        heard_text=agent if heard is None else heard,
        interrupted=heard is not None,
        response_ms=200,
        hops=(),
        tool_calls=0,
        outcome="",
        voice_to_voice_ms=300.0 if user else None,
    )


def good() -> Played:
    return Played(
        turns=[
            turn("", "Hello."),
            turn("what do you offer", "A cleaning, and much more.", heard="A cleaning,"),
            turn("how much is it", "Eighty dollars."),
        ],
        heard=[events.Ended(at_ms=9, reason="agent")],
    )


def faults(played: Played, calls: list[DeskCall] | None = None) -> str:
    return "\n".join(find_faults(played, STEPS, EXPECTED, CALLS if calls is None else calls))


def test_a_call_that_went_well_has_no_faults() -> None:
    assert faults(good()) == ""


def test_a_wrong_slot_is_a_fault() -> None:
    assert "thursday" in faults(good(), [DeskCall("check", {"day": "thursday"})])
    assert "should be" in faults(good(), [])
    assert "should be" in faults(good(), CALLS * 2)


@pytest.mark.parametrize(
    ("index", "change", "told"),
    [
        (2, {"agent_text": "Sorry?"}, "does not mention"),
        (2, {"outcome": "apology"}, "no answer"),
        (2, {"interrupted": True}, "should be False"),
        (1, {"interrupted": False}, "should be True"),
        (1, {"heard_text": "A cleaning, and much more."}, "is said to have heard"),
        (2, {"voice_to_voice_ms": None}, "could not be measured"),
        (0, {"heard_text": ""}, "greeting"),
    ],
)
def test_each_thing_wrong_with_a_turn_is_told(index: int, change: dict[str, object], told: str) -> None:
    played = good()
    played.turns[index] = replace(played.turns[index], **change)  # type: ignore[arg-type]
    assert told in faults(played)


def test_what_is_wrong_with_the_call_is_told() -> None:
    played = good()
    played.turns.pop()
    played.stale_frames = 2
    played.failure = "the connection broke"
    played.heard = [
        events.ErrorEvent(at_ms=1, code="stage_failed", message="asr is down", stage="asr", is_fatal=False),
        events.Ended(at_ms=2, reason="idle"),
    ]
    told = faults(played)
    assert all(
        words in told for words in ("1 were answered", "2 stale", "connection broke", "asr is down", "did not end")
    )


def test_a_busy_machine_is_named_as_what_may_be_wrong() -> None:
    assert busy_machine(1.9, 2) == busy_machine(2.0, 2) == ""
    assert "a load of 9.0 on 2 CPUs" in busy_machine(9.0, 2)
