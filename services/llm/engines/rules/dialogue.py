"""What to answer next, from the conversation alone.

The state of a dialogue is recomputed from its messages at every turn. So a session resumes on another server, a guess
at what a caller will have said leaves nothing behind, and a conversation cut short by a barge-in goes on from what was
said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

from services.llm.engine import Message, Role, ToolCall
from services.llm.engines.rules.forms import FormRun, ToolArguments, choose
from services.llm.engines.rules.loading import LoadedScript
from services.llm.engines.rules.script import ConfirmStep, Intent
from services.llm.engines.rules.state import CONFIRMATION, Call, FormState, Reply, State
from services.llm.engines.rules.templates import parse_template
from services.llm.engines.rules.understanding import Heard, understand

MAX_MESSAGES = 200
"""Messages that are replayed: the last ones. A call of an hour has fewer."""


def reply_to(loaded: LoadedScript, messages: Sequence[Message], tools: ToolArguments, today: date) -> Reply:
    """Return the reply to the conversation's last message."""
    dialogue = Dialogue(loaded, tools, today)
    calls: dict[str, ToolCall] = {}
    reply: Reply | None = None
    for message in messages[-MAX_MESSAGES:]:
        match message.role:
            case Role.USER:
                reply = dialogue.hear(message.content)
            case Role.TOOL:
                reply = dialogue.learn(calls.get(message.tool_call_id), message.content)
            case Role.ASSISTANT:
                calls |= {call.id: call for call in message.tool_calls}
                if reply is None:
                    dialogue.state.last_answer = message.content
                elif not message.tool_calls:
                    reply = None
            case Role.SYSTEM:
                continue
    return reply if reply is not None else dialogue.prompt()


class Dialogue:
    """One dialogue while its messages are replayed."""

    def __init__(self, loaded: LoadedScript, tools: ToolArguments, today: date) -> None:
        self._loaded = loaded
        self._script = loaded.script
        self._tools = tools
        self._today = today
        self.state = State()

    def prompt(self) -> Reply:
        """Return the open question, or the fallback: there is nothing new to answer."""
        form = self.state.form
        return Reply(form.prompt) if form is not None and form.prompt else self._fallback()

    def hear(self, text: str) -> Reply:
        """Return the reply to what the caller said."""
        state = self.state
        expected = ""
        if state.form is not None:
            expected = self._script.forms[state.form.name].slots.get(state.form.asked, "")
        heard = understand(self._loaded, text, expected, state.question, self._today)
        reply = self._react(heard)
        state.last_answer = reply.text or state.last_answer
        return reply

    def learn(self, call: ToolCall | None, content: str) -> Reply:
        """Return the reply to a tool's result; nothing after a tool that an answer ended with, such as end_call."""
        form = self.state.form
        if call is not None and any(intent.call == call.name for intent in self._script.intents.values()):
            return Reply()
        if form is None or call is None:
            return self.prompt()
        try:
            arguments = json.loads(call.arguments_json)
        except (ValueError, RecursionError):
            arguments = {}
        form.results[Call(call.name, arguments).key] = _parsed(content)
        reply = FormRun(self._script, self.state, form, self._tools).advance()
        self.state.last_answer = reply.text or self.state.last_answer
        return reply

    def _react(self, heard: Heard) -> Reply:
        form = self.state.form
        question, self.state.question = self.state.question, ""
        if heard.form is not None:
            return self._start_or_continue(heard.form, heard)
        if heard.intent is not None:
            return self._answer(heard.intent, heard)
        if form is not None:
            return self._continue(form, heard)
        for name, candidate in self._script.forms.items():
            if question in candidate.yes_after and heard.says_yes:
                return self._start_or_continue(name, heard)
            if any(candidate.slots[slot] in heard.values for slot in candidate.starts_with):
                follow_up = self._follow_up(heard)
                return self._answer(follow_up, heard) if follow_up else self._start_or_continue(name, heard)
        answered = self._follow_up(heard) or heard.weak
        return self._answer(answered, heard) if answered else self._fallback()

    def _follow_up(self, heard: Heard) -> str | None:
        """Return the last intent if what was heard asks the same of something else: "and a filling?"."""
        last = self._script.intents.get(self.state.last_intent)
        return self.state.last_intent if last is not None and last.by and last.by in heard.values else None

    def _answer(self, name: str, heard: Heard) -> Reply:
        intent = self._script.intents[name]
        state = self.state
        form = state.form
        if intent.does == "repeat":
            return Reply(state.last_answer) if state.last_answer else self._fallback()
        text = self._text_of(intent, heard)
        if intent.does == "cancel":
            state.form = form = None
        if not text:
            return self.prompt()
        state.last_intent = name
        state.question = intent.asks
        if intent.call and intent.call in self._tools:
            state.form = None
            return Reply(text, Call(intent.call))
        if form is not None and form.prompt and intent.does != "hold":
            text = f"{text} {form.prompt}"
        return Reply(text)

    def _text_of(self, intent: Intent, heard: Heard) -> str:
        value = heard.values.get(intent.by, "") if intent.by else ""
        texts = intent.cases.get(value, intent.say)
        spoken = self._script.entities[intent.by].values[value].say if value else ""
        return parse_template(choose(texts, self.state)).render({intent.by: spoken})

    def _fallback(self) -> Reply:
        return Reply(choose(self._script.fallback, self.state))

    def _start_or_continue(self, name: str, heard: Heard) -> Reply:
        form = self.state.form
        if form is None or form.name != name:
            form = self.state.form = FormState(name)
        elif form.asked == CONFIRMATION and heard.says_yes:
            form.confirmed = dict(form.slots)
        self._fill(form, heard.values)
        self.state.last_intent = ""
        return FormRun(self._script, self.state, form, self._tools).advance()

    def _continue(self, form: FormState, heard: Heard) -> Reply:
        """Return the reply to what was said while a form is open and nothing else was meant."""
        run = FormRun(self._script, self.state, form, self._tools)
        if self._picked(form, heard) or self._fill(form, heard.values):
            return run.advance()
        if heard.says_no and form.offer is not None:
            return self._decline(form)
        if form.asked == CONFIRMATION and heard.says_yes:
            form.confirmed = dict(form.slots)
            return run.advance()
        if form.asked == CONFIRMATION and heard.says_no:
            return Reply(self._refusal(form))
        if not form.asked and heard.says_no:
            return self._give_up()
        if heard.weak is not None and self._script.intents[heard.weak].does not in ("yes", "no"):
            return self._answer(heard.weak, heard)
        if not form.asked:
            # A tool failed, or its call was cut short: try again.
            return run.advance()
        if form.offer is not None:
            return Reply(form.prompt)
        return run.advance(not_understood=True)

    def _fill(self, form: FormState, values: Mapping[str, str]) -> bool:
        """Put what was heard into the form's slots; return whether there was anything for it."""
        slots = self._script.forms[form.name].slots
        taken: dict[str, str] = {}
        for entity, value in values.items():
            takers = [slot for slot, wanted in slots.items() if wanted == entity]
            if not takers:
                continue
            missing = [slot for slot in takers if slot not in form.slots]
            slot = form.asked if form.asked in takers else (missing or takers)[0]
            taken[slot] = value
        if taken and form.offer is not None and form.offer.slot not in taken:
            # "No, Wednesday" to other times on Tuesday: the time first wanted is wanted on Wednesday.
            form.slots = dict(form.offer.cleared)
        form.slots |= taken
        return bool(taken)

    def _picked(self, form: FormState, heard: Heard) -> bool:
        """Take one of the values that were offered: by its place, or by a yes where there is only one."""
        offer = form.offer
        if offer is None:
            return False
        place = 0 if heard.ordinal is None and heard.says_yes and len(offer.values) == 1 else heard.ordinal
        has_other_values = any(name in heard.values for name in self._script.forms[form.name].slots.values())
        if place is None or place >= len(offer.values) or has_other_values:
            return False
        form.slots[offer.slot] = offer.values[place]
        return True

    def _decline(self, form: FormState) -> Reply:
        offer = form.offer
        if offer is None:
            return self.prompt()
        form.slots = {slot: value for slot, value in offer.cleared.items() if slot not in offer.declined_clears}
        form.offer = None
        form.asked = offer.declined_clears[0] if offer.declined_clears else offer.slot
        form.prompt = offer.declined
        return Reply(offer.declined)

    def _refusal(self, form: FormState) -> str:
        steps = self._script.forms[form.name].steps
        refused = next(step.refused for step in steps if isinstance(step, ConfirmStep))
        values = FormRun(self._script, self.state, form, self._tools).spoken_values()
        return parse_template(choose(refused, self.state)).render(values)

    def _give_up(self) -> Reply:
        self.state.form = None
        cancelled = next((name for name, intent in self._script.intents.items() if intent.does == "cancel"), None)
        return self._answer(cancelled, Heard()) if cancelled else self._fallback()


def _parsed(content: str) -> Mapping[str, object]:
    """Return a tool's result as an object; whatever else it is counts as an error."""
    try:
        result = json.loads(content)
    except (ValueError, RecursionError):
        return {"error": "no JSON"}
    return result if isinstance(result, dict) else {"error": "no object"}
