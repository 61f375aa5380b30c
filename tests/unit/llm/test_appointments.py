"""The appointment desk's script, told as conversations. A tool's results are part of each story."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.llm.engine import Message, Role, ToolCall
from services.llm.engines.rules.dialogue import reply_to
from services.llm.engines.rules.loading import load_scripts
from services.llm.engines.rules.state import Reply

pytestmark = pytest.mark.unit

SCRIPTS = load_scripts(Path(__file__).parents[3] / "agents" / "rules")
TOOLS: Mapping[str, frozenset[str] | None] = {"check_availability": None, "book_appointment": None, "end_call": None}
FREE = {"available": True}
TAKEN = {"available": False, "alternatives": ["11:00", "14:00"]}
BOOKED = {"reference": "WD-1042"}


class Conversation:
    """A conversation as the orchestrator leads it: tool calls are answered, and the engine is asked again."""

    def __init__(self, *results: object, script: str = "appointments", tools: Mapping[str, Any] = TOOLS) -> None:
        self.messages = [Message(Role.SYSTEM, "be brief"), Message(Role.ASSISTANT, "Hello, this is Willow Dental.")]
        self.calls: list[tuple[str, dict[str, object]]] = []
        self._results = list(results)
        self._script = SCRIPTS[script]
        self._tools = tools

    def reply(self) -> Reply:
        return reply_to(self._script, self.messages, self._tools, date(2025, 1, 1))

    def say(self, text: str) -> str:
        """Say something; return all that the agent says until the caller's turn."""
        self.messages.append(Message(Role.USER, text))
        spoken = []
        while True:
            reply = self.reply()
            spoken.append(reply.text)
            if reply.call is None:
                self.messages.append(Message(Role.ASSISTANT, reply.text))
                return " ".join(filter(None, spoken))
            arguments = json.dumps(reply.call.arguments)
            call = ToolCall(f"c{len(self.calls)}", reply.call.name, arguments)
            self.calls.append((call.name, json.loads(arguments)))
            self.messages.append(Message(Role.ASSISTANT, reply.text, (call,)))
            result = {} if call.name == "end_call" else self._results.pop(0)
            content = result if isinstance(result, str) else json.dumps(result)
            self.messages.append(Message(Role.TOOL, content, tool_call_id=call.id))


def test_a_booking_over_several_turns() -> None:
    talk = Conversation(FREE, BOOKED)
    assert "Which day" in talk.say("i would like to book an appointment")
    assert "What time on Tuesday" in talk.say("next tuesday")
    assert "Tuesday at ten thirty is free. May I have your name" in talk.say("at ten thirty")
    said = talk.say("my name is maria gomez")
    assert "booked for Tuesday at ten thirty. Your reference is W D one zero four two." in said
    assert talk.calls == [
        ("check_availability", {"day": "tuesday", "time": "10:30"}),
        ("book_appointment", {"name": "Maria Gomez", "day": "tuesday", "time": "10:30"}),
    ]
    assert "Goodbye" in talk.say("that is all thank you goodbye")
    assert talk.calls[-1] == ("end_call", {})


def test_a_booking_in_one_sentence() -> None:
    talk = Conversation(FREE, BOOKED)
    assert "May I have your name" in talk.say("Can you book a cleaning for Tuesday at 10:30?")
    assert "Your cleaning is booked" in talk.say("Maria Gomez.")
    booked = {"name": "Maria Gomez", "day": "tuesday", "time": "10:30", "treatment": "cleaning"}
    assert talk.calls[-1] == ("book_appointment", booked)


def test_slots_in_any_order() -> None:
    talk = Conversation(FREE, BOOKED)
    talk.say("my name is maria gomez and i need an appointment")
    assert "Which day" in talk.say("at half past two please")
    assert "Your appointment is booked for Friday at two thirty" in talk.say("friday")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("eleven please", {"day": "tuesday", "time": "11:00"}),
        ("the second one", {"day": "tuesday", "time": "14:00"}),
        ("the last one", {"day": "tuesday", "time": "14:00"}),
        ("at nine then", {"day": "tuesday", "time": "09:00"}),
        ("no wednesday", {"day": "wednesday", "time": "10:30"}),
        ("what about wednesday at three", {"day": "wednesday", "time": "15:00"}),
    ],
)
def test_an_offer_is_taken_or_changed(answer: str, expected: dict[str, str]) -> None:
    talk = Conversation(TAKEN, FREE)
    said = talk.say("book an appointment on tuesday at ten thirty")
    assert "ten thirty on Tuesday is taken. I could offer you eleven o'clock or two o'clock" in said
    assert "is free" in talk.say(answer)
    assert talk.calls[-1] == ("check_availability", expected)


def test_an_offer_that_is_declined_asks_for_another_day_and_keeps_the_time() -> None:
    talk = Conversation(TAKEN, FREE)
    talk.say("book tuesday at ten thirty")
    assert "Which other day" in talk.say("no")
    talk.say("thursday")
    assert talk.calls[-1] == ("check_availability", {"day": "thursday", "time": "10:30"})


def test_a_yes_to_two_offers_asks_which_and_to_one_takes_it() -> None:
    talk = Conversation(TAKEN, FREE)
    talk.say("book tuesday at ten thirty")
    assert "Which would you like" in talk.say("yes")
    assert len(talk.calls) == 1
    one = Conversation({"available": False, "alternatives": ["15:15"]}, FREE)
    one.say("book tuesday at ten thirty")
    one.say("yes please")
    assert one.calls[-1] == ("check_availability", {"day": "tuesday", "time": "15:15"})


def test_nothing_free_asks_for_another_day() -> None:
    talk = Conversation({"available": False, "alternatives": []}, FREE)
    assert "Which other day" in talk.say("book sunday at ten")
    assert "What time on Monday" in talk.say("monday")


def test_a_correction_is_checked_anew() -> None:
    talk = Conversation(FREE, FREE, BOOKED)
    talk.say("i need an appointment on tuesday at ten")
    assert "Wednesday at ten o'clock is free" in talk.say("wait no wednesday")
    talk.say("maria gomez")
    assert talk.calls[-1][1]["day"] == "wednesday"


def test_a_question_in_between_is_answered_and_the_booking_goes_on() -> None:
    talk = Conversation(FREE)
    talk.say("i'd like to book an appointment for tuesday")
    said = talk.say("how much is a filling")
    assert "one hundred and twenty dollars" in said
    assert "on Tuesday" in said
    talk.say("at ten")
    assert talk.calls == [("check_availability", {"day": "tuesday", "time": "10:00"})]


@pytest.mark.parametrize("bad", [{"error": "timed out"}, "rubbish", "[1]", '"x"', {"foo": 1}, {}, "[" * 100_000, None])
def test_a_tool_that_fails_is_apologised_for_and_tried_again(bad: object) -> None:
    talk = Conversation(bad, FREE, {"reference": {"no": "text"}}, BOOKED)
    assert "I can't reach the calendar just now" in talk.say("book tuesday at ten")
    assert "is free" in talk.say("yes")
    assert "couldn't put it into the calendar" in talk.say("maria gomez")
    assert "Your reference is W D" in talk.say("please try again")
    assert [name for name, _ in talk.calls] == ["check_availability"] * 2 + ["book_appointment"] * 2


def test_offers_that_are_no_times_count_as_a_failure() -> None:
    talk = Conversation({"available": False, "alternatives": ["soon", 7, None]})
    assert "I can't reach the calendar" in talk.say("book tuesday at ten")


def test_no_after_a_failure_gives_up() -> None:
    talk = Conversation({"error": "x"})
    talk.say("book tuesday at ten")
    assert "anything else" in talk.say("no")
    assert "Goodbye" in talk.say("no thank you")


def test_tools_that_are_not_offered_are_not_called() -> None:
    talk = Conversation(tools={})
    assert "I can't reach the calendar" in talk.say("book tuesday at ten")
    assert "Goodbye" in talk.say("goodbye")
    assert talk.calls == []


def test_arguments_that_the_tool_does_not_take_are_left_out() -> None:
    tools = {**TOOLS, "book_appointment": frozenset({"name", "day", "time"})}
    talk = Conversation(FREE, BOOKED, tools=tools)
    talk.say("book a cleaning for tuesday at ten")
    talk.say("my name is maria")
    assert talk.calls[-1][1] == {"name": "Maria", "day": "tuesday", "time": "10:00"}


def test_repeat_says_the_last_answer_again_and_changes_nothing() -> None:
    talk = Conversation(FREE)
    assert talk.say("sorry") == "Hello, this is Willow Dental."
    hours = talk.say("what are your opening hours")
    assert talk.say("can you repeat that") == hours
    assert talk.say("pardon") == hours
    ask = talk.say("book an appointment on tuesday")
    assert talk.say("say that again please") == ask
    talk.say("at ten")
    assert talk.calls == [("check_availability", {"day": "tuesday", "time": "10:00"})]


def test_a_follow_up_asks_the_same_of_something_else() -> None:
    talk = Conversation()
    assert "eighty dollars" in talk.say("how much is a cleaning")
    assert "two hundred dollars" in talk.say("and whitening")


def test_a_yes_to_an_offer_of_a_booking_starts_one() -> None:
    talk = Conversation()
    assert "Would you like to book" in talk.say("do you do whitening")
    assert "Which day" in talk.say("yes please")


def test_never_mind_closes_the_form() -> None:
    talk = Conversation()
    talk.say("book an appointment")
    talk.say("never mind")
    assert "Saturday" in talk.say("when are you open")
    assert "Which day" not in talk.say("thank you")


def test_what_is_not_understood_gets_help_in_turn() -> None:
    talk = Conversation()
    first, second, third = (talk.say("the moon is made of cheese") for _ in range(3))
    assert "book an appointment" in first
    assert first != second
    assert first == third
    assert "for example Tuesday" in [talk.say("i want an appointment"), talk.say("the moon is made of cheese")][1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("what are your opening hours", "Monday to Friday"),
        ("when do you close", "Monday to Friday"),
        ("are you open on saturday", "nine to one"),
        ("what's your adress", "twelve Mill Lane"),
        ("how do i get there", "twelve Mill Lane"),
        ("how much is a check up", "forty dollars"),
        ("how much does a teeth whitening cost", "two hundred dollars"),
        ("what is the price of a filing", "one hundred and twenty"),
        ("what are your prices", "A check-up is forty dollars"),
        ("do you have parking", "behind the house"),
        ("are you a robot", "a computer"),
        ("hello", "How can I help you"),
        ("hello what are your oppening hours", "Monday to Friday"),
        ("hold on a moment", "take your time"),
        ("can i talk to a person", "I can't put you through"),
        ("could you cancel my appointment", "please call the desk"),
    ],
)
def test_questions(text: str, says: str) -> None:
    assert says in Conversation().say(text)


def test_the_list_of_treatments_is_long_enough_to_be_interrupted() -> None:
    said = Conversation().say("what treatments do you offer")
    assert len(said.split()) > 60
    assert said.count(".") >= 4


def test_a_conversation_cut_short_by_a_barge_in_goes_on() -> None:
    talk = Conversation(FREE)
    talk.say("what treatments do you offer")
    talk.messages[-1] = Message(Role.ASSISTANT, "We look after the whole")
    assert "What time" in talk.say("okay stop i want an appointment on monday")


def test_a_call_that_a_barge_in_left_without_a_result_is_made_again() -> None:
    talk = Conversation()
    talk.messages.append(Message(Role.USER, "book tuesday at ten"))
    call = ToolCall("c1", "check_availability", '{"day": "tuesday", "time": "10:00"}')
    talk.messages += [Message(Role.ASSISTANT, "Let me", (call,)), Message(Role.USER, "hello are you there")]
    talk.messages.append(Message(Role.USER, "tuesday at ten"))
    reply = talk.reply()
    assert reply.call is not None
    assert reply.call.name == "check_availability"


def test_after_goodbye_there_is_nothing_left_to_say() -> None:
    talk = Conversation()
    said = talk.say("bye")
    assert said.endswith("Goodbye!")
    assert talk.messages[-1].content == ""


def test_the_same_conversation_always_gets_the_same_reply() -> None:
    talk = Conversation(TAKEN, FREE, BOOKED)
    for text in ("hello", "book a cleaning on tuesday at ten", "the first one", "maria gomez", "thank you"):
        talk.say(text)
        assert talk.reply() == talk.reply()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello", "What can I do for you"),
        ("hi how are you", "I'm well"),
        ("i'd like to check my order status please", "confirm"),
        ("thank you very much", "You're welcome"),
        ("yes", "What would you like to know"),
        ("where is my parcel", "order"),
        ("i want a refund", "money back"),
        ("how can i return this", "thirty days"),
        ("how long does delivery take", "within five"),
        ("no that's all thanks bye", "Goodbye"),
    ],
)
def test_the_help_desk(text: str, says: str) -> None:
    assert says in Conversation(script="requests").say(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Hola, buenos días", "¿En qué puedo ayudarle?"),
        ("¿Dónde está mi pedido?", "cinco días"),
        ("quiero devolver unos zapatos", "treinta días"),
        ("¿A qué hora abren?", "nueve a cinco"),
        ("¿cuánto tarda el envío?", "en cinco"),
        ("muchas gracias", "De nada"),
        ("sí", "¿Qué desea saber"),
        ("xyz", "no le he entendido"),
        ("eso es todo, adiós", "¡Adiós!"),
    ],
)
def test_the_help_desk_in_spanish(text: str, says: str) -> None:
    assert says in Conversation(script="requests_es").say(text)


VOCABULARY = """
    book appointment tuesday no yes at ten thirty maria cleaning stop sorry cancel that never mind the first one
    how much is hello thanks what wednesday half past two name my goodbye repeat
"""
WORDS = st.sampled_from(VOCABULARY.split())
RESULTS = st.sampled_from([FREE, TAKEN, BOOKED, {"error": "x"}, {}, "rubbish", {"available": False}])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=6).map(" ".join), min_size=1, max_size=8), st.lists(RESULTS, min_size=40))
def test_whatever_is_said_gets_an_answer(turns: list[str], results: list[object]) -> None:
    talk = Conversation(*results)
    for text in turns:
        said = talk.say(text)
        assert said
        assert "{" not in said
        if talk.calls and talk.calls[-1][0] == "end_call":
            return
    for name, arguments in talk.calls:
        if name == "check_availability":
            assert set(arguments) == {"day", "time"}
