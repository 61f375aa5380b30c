"""Parts of the script language that the project's own scripts do not use."""

from __future__ import annotations

from datetime import date

import pytest

from services.llm.engine import Message, Role
from services.llm.engines.rules.dialogue import reply_to
from services.llm.engines.rules.loading import load_script

pytestmark = pytest.mark.unit

SCRIPT = load_script(
    """
script: trip
entities:
  day: {type: weekday}
intents:
  "yes": {does: "yes", phrases: ["yes"]}
  "no": {does: "no", phrases: ["no"]}
  forget: {does: cancel, phrases: [forget it], say: Forgotten.}
forms:
  trip:
    phrases: [trip]
    slots: {leave: day, back: day}
    steps:
      - slot: leave
        ask: ["When do you leave?", "So, when do you leave?"]
        reask: On which weekday do you leave?
      - slot: back
        ask: When do you come back?
      - confirm: From {leave} to {back}, is that right?
        refused: What should I change?
      - call: book
        with: {from: "{leave}", to: "{back}", seats: 2}
        results: [{when: {ok: true}, go_on: true}]
        failed: It did not work.
      - say: Have a good trip.
fallback: [One., Two.]
""",
    "trip.yaml",
)


def reply(*said: str) -> tuple[str, dict[str, object] | None]:
    messages = [Message(Role.USER, text) for text in said]
    answer = reply_to(SCRIPT, messages, {"book": None}, date(2025, 1, 1))
    return answer.text, dict(answer.call.arguments) if answer.call else None


def test_two_slots_of_one_kind_are_filled_by_what_was_asked() -> None:
    assert reply("a trip", "monday") == ("When do you come back?", None)
    assert reply("a trip", "monday", "friday") == ("From Monday to Friday, is that right?", None)


def test_only_a_yes_confirms() -> None:
    said = ("a trip", "monday", "friday")
    assert reply(*said, "yes") == ("", {"from": "monday", "to": "friday", "seats": 2})
    assert reply(*said, "the moon") == ("From Monday to Friday, is that right?", None)
    assert reply(*said, "no") == ("What should I change?", None)
    assert reply(*said, "no", "forget it") == ("Forgotten.", None)


def test_what_is_not_understood_is_asked_in_other_words_and_variants_take_turns() -> None:
    assert reply("a trip", "the moon") == ("On which weekday do you leave?", None)
    assert reply("a trip", "forget it", "a trip") == ("So, when do you leave?", None)
    assert [reply(*["moon"] * count)[0] for count in (1, 2, 3)] == ["One.", "Two.", "One."]


def test_a_conversation_without_a_new_message_repeats_the_open_question() -> None:
    messages = [Message(Role.USER, "a trip"), Message(Role.ASSISTANT, "When do you leave?")]
    assert reply_to(SCRIPT, messages, {}, date(2025, 1, 1)).text == "When do you leave?"
    assert reply_to(SCRIPT, [Message(Role.SYSTEM, "x")], {}, date(2025, 1, 1)).text == "One."


def test_a_very_long_utterance_is_read_from_its_end() -> None:
    assert reply("blah " * 200_000 + "a trip on monday")[0] == "When do you come back?"


def test_a_result_that_nobody_waits_for_is_no_reason_to_be_silent() -> None:
    messages = [Message(Role.USER, "hello"), Message(Role.TOOL, "{}", tool_call_id="gone")]
    assert reply_to(SCRIPT, messages, {}, date(2025, 1, 1)).text == "Two."
