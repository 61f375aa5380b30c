"""A form's steps: what to ask, which tool to call, and what to make of its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.llm.engines.rules.script import (
    Branch,
    CallStep,
    ConfirmStep,
    Entity,
    Form,
    Offer,
    SayStep,
    Scalar,
    Script,
    SlotStep,
)
from services.llm.engines.rules.state import CONFIRMATION, ActiveOffer, Call, FormState, Reply, State
from services.llm.engines.rules.templates import RESULT, MissingValue, join_spoken, parse_template
from services.llm.engines.rules.times import CLOCK, WEEKDAYS, speak_time

MAX_OPTIONS = 3
"""Values of an offer that are read out: more cannot be kept in mind."""
ToolArguments = Mapping[str, frozenset[str] | None]
"""Tool that is offered -> the arguments it takes; None where it takes any."""


def choose(texts: Sequence[str], state: State) -> str:
    """Return the variant whose turn it is."""
    if not texts:
        return ""
    turn = state.said[texts[0]]
    state.said[texts[0]] += 1
    return texts[turn % len(texts)]


def speak(entity: Entity, value: str) -> str:
    """Return how a slot's value is said."""
    match entity.type:
        case "time":
            return speak_time(value)
        case "weekday":
            return value.capitalize()
        case "choice":
            return entity.values[value].say
        case _:
            return value


class FormRun:
    """One pass over an open form's steps, after something was heard or a tool returned."""

    def __init__(self, script: Script, state: State, form: FormState, tools: ToolArguments) -> None:
        self._script = script
        self._state = state
        self._open = form
        self._form: Form = script.forms[form.name]
        self._tools = tools
        self._parts: list[str] = []
        self._result: Mapping[str, object] = {}
        self._acted_on: tuple[CallStep, str] | None = None

    def advance(self, not_understood: bool = False) -> Reply:
        """Go from the first step to the first that has to wait: for the caller, or for a tool."""
        form = self._open
        asked_before = form.asked if not_understood else ""
        form.asked, form.prompt, form.offer = "", "", None
        try:
            return self._go(asked_before)
        except MissingValue:
            if self._acted_on is None:
                raise
            # The result cannot be used. What failed once may work when it is tried again: forget it.
            step, key = self._acted_on
            form.results.pop(key, None)
            form.asked, form.prompt, form.offer = "", "", None
            self._result, self._parts = {}, []
            return self._say(step.failed)

    def _go(self, asked_before: str) -> Reply:
        form = self._open
        for step in self._form.steps:
            match step:
                case SlotStep() if not step.optional and step.slot not in form.slots:
                    return self._ask(step.slot, (asked_before == step.slot and step.reask) or step.ask)
                case ConfirmStep() if form.confirmed != form.slots:
                    return self._ask(CONFIRMATION, step.confirm)
                case CallStep():
                    reply = self._call(step)
                    if reply is not None:
                        return reply
                case SayStep():
                    reply = self._say(step.say)
                    self._state.form = None
                    self._state.question = step.asks
                    return reply
                case _:
                    continue
        raise AssertionError("a form ends with a say step: loading checks it")

    def _ask(self, slot: str, texts: Sequence[str]) -> Reply:
        self._open.asked = slot
        self._open.prompt = parse_template(choose(texts, self._state)).render(self.spoken_values())
        return Reply(" ".join([*self._parts, self._open.prompt]))

    def _say(self, texts: Sequence[str]) -> Reply:
        text = parse_template(choose(texts, self._state)).render(self.spoken_values())
        return Reply(" ".join([*self._parts, text]).strip())

    def _call(self, step: CallStep) -> Reply | None:
        """Return the reply the step stops at, or None to go on with the next."""
        accepted = self._tools.get(step.call, frozenset())
        call = Call(step.call, self._arguments(step.arguments, accepted))
        if step.call not in self._tools:
            return self._say(step.failed)
        result = self._open.results.get(call.key)
        if result is None:
            return Reply(self._say(step.say).text if step.say else " ".join(self._parts), call)
        self._acted_on = (step, call.key)
        return self._act_on(step, call, result)

    def _act_on(self, step: CallStep, call: Call, result: Mapping[str, object]) -> Reply | None:
        branch = next((branch for branch in step.results if _holds(branch.when, result)), None)
        if branch is None or result.get("error"):
            raise MissingValue("the result")
        self._result = result
        if branch.go_on:
            if branch.say and call.key not in self._open.told:
                self._parts.append(self._say_branch(branch))
            self._open.told.add(call.key)
            return None
        text = self._say_branch(branch)
        offer = self._offered(branch.offer) if branch.offer else None
        for slot in branch.clear:
            self._open.slots.pop(slot, None)
        if offer is not None and branch.offer is not None:
            self._open.offer, self._open.prompt = offer
            self._open.asked = branch.offer.slot
            return Reply(" ".join(filter(None, [*self._parts, text, self._open.prompt])))
        self._open.asked = branch.clear[0]
        self._open.prompt = text
        return Reply(" ".join(filter(None, [*self._parts, text])))

    def _say_branch(self, branch: Branch) -> str:
        return parse_template(choose(branch.say, self._state)).render(self.spoken_values())

    def _offered(self, offer: Offer) -> tuple[ActiveOffer, str]:
        """Return the offer and its question. Raises MissingValue where the result lists nothing usable."""
        entity = self._script.entities[self._form.slots[offer.slot]]
        listed = self._result.get(offer.values)
        usable = [value for value in listed if _fits(entity, value)] if isinstance(listed, list) else []
        if not usable:
            raise MissingValue(offer.values)
        slots = dict(self._open.slots)
        values = tuple(usable[:MAX_OPTIONS])
        options = join_spoken([speak(entity, value) for value in values])
        question = parse_template(choose(offer.ask, self._state)).render({**self.spoken_values(), "options": options})
        declined = parse_template(choose(offer.declined, self._state)).render(self.spoken_values())
        return ActiveOffer(offer.slot, values, declined, offer.declined_clears, slots), question

    def spoken_values(self) -> dict[str, object]:
        """Return what texts may use: slots as they are spoken, and the fields of the last result."""
        spoken: dict[str, object] = {
            slot: speak(self._script.entities[self._form.slots[slot]], value)
            for slot, value in self._open.slots.items()
        }
        return spoken | {f"{RESULT}{name}": value for name, value in self._result.items()}

    def _arguments(self, wanted: Mapping[str, Scalar], accepted: frozenset[str] | None) -> dict[str, object]:
        """Return the arguments of a call: those whose value is known and that the offered tool takes."""
        arguments: dict[str, object] = {}
        for name, value in wanted.items():
            if accepted is not None and name not in accepted:
                continue
            try:
                arguments[name] = parse_template(value).render(self._open.slots) if isinstance(value, str) else value
            except MissingValue:
                continue
        return arguments


def _holds(when: Mapping[str, Scalar], result: Mapping[str, object]) -> bool:
    return all(
        bool(result.get(name)) if wanted == "any" else result.get(name) == wanted for name, wanted in when.items()
    )


def _fits(entity: Entity, value: object) -> bool:
    if not isinstance(value, str):
        return False
    match entity.type:
        case "time":
            return CLOCK.fullmatch(value) is not None
        case "weekday":
            return value in WEEKDAYS
        case "choice":
            return value in entity.values
        case _:
            return 0 < len(value) <= 80
