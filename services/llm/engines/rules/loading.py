"""Scripts from their folder, checked as a whole at start: an error names the file and the line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from pydantic import ValidationError

from services.common.errors import InvalidInput
from services.llm.engines.rules.phrases import PhraseError, PhraseIndex, parse_phrase
from services.llm.engines.rules.script import NAME, CallStep, ConfirmStep, Form, SayStep, Script, SlotStep
from services.llm.engines.rules.templates import RESULT, TemplateError, parse_template
from services.llm.engines.rules.text import Vocabulary
from services.llm.engines.rules.times import TIME_WORDS, WEEKDAYS
from services.llm.engines.rules.yaml_lines import Path, YamlError, parse_yaml

INTENT = "intent"
FORM = "form"
VALUE = "value"


@dataclass(frozen=True, slots=True)
class LoadedScript:
    """A script that was checked, with its phrases ready to be found."""

    script: Script
    phrases: PhraseIndex
    vocabulary: Vocabulary


class _Fault(ValueError):
    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def load_scripts(folder: FilePath) -> Mapping[str, LoadedScript]:
    """Return every script of `folder` by its name. Raises InvalidInput that names file and line."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise InvalidInput(f"PARLEY_LLM_RULES_DIR={str(folder)!r}: no *.yaml there; name the folder of the scripts")
    loaded: dict[str, LoadedScript] = {}
    for file in files:
        found = load_script(file.read_text(encoding="utf-8"), str(file))
        if found.script.script != file.stem:
            raise InvalidInput(f"{file}:1: the script calls itself {found.script.script!r}: name it as its file")
        loaded[found.script.script] = found
    return loaded


def load_script(source: str, name: str) -> LoadedScript:
    """Return the script that `source` holds. `name` stands in errors. Raises InvalidInput that names the line."""
    try:
        document = parse_yaml(source)
    except YamlError as fault:
        raise InvalidInput(f"{name}:{fault.line}: {fault}") from None
    try:
        script = Script.model_validate(document.data)
        return LoadedScript(script, *_compile(script))
    except ValidationError as fault:
        lines = [
            f"{name}:{document.line_of(error['loc'])}: {'.'.join(map(str, error['loc']))}: {error['msg']}"
            for error in fault.errors()
        ]
        raise InvalidInput("\n".join(dict.fromkeys(lines))) from None
    except _Fault as fault:
        where = ".".join(map(str, fault.path))
        raise InvalidInput(f"{name}:{document.line_of(fault.path)}: {where}: {fault}") from None


def _compile(script: Script) -> tuple[PhraseIndex, Vocabulary]:
    index = PhraseIndex()
    for (kind, *names), path, sources in _phrase_sources(script):
        if not NAME.fullmatch(names[0]):
            raise _Fault(path[:-1], f"{names[0]!r} is no name: use a-z, 0-9 and _")
        for number, source in enumerate(sources):
            try:
                index.add(parse_phrase(source), "/".join((kind, *names)))
            except PhraseError as fault:
                raise _Fault((*path, number), str(fault)) from None
    asked = _asked(script)
    _check_intents(script, asked)
    for name, form in script.forms.items():
        if name in script.intents:
            raise _Fault(("forms", name), "an intent has the same name")
        _check_form(script, form, ("forms", name))
        for number, question in enumerate(form.yes_after):
            if question not in asked:
                raise _Fault(("forms", name, "yes_after", number), f"nothing asks {question!r}")
    _check_texts(script.fallback, ("fallback",), set())
    known = set(index.words)
    for entity in script.entities.values():
        known |= {"weekday": {*WEEKDAYS, "today", "tomorrow"}, "time": TIME_WORDS}.get(entity.type, set())
    return index, Vocabulary(known)


def _phrase_sources(script: Script) -> Iterator[tuple[tuple[str, ...], Path, Sequence[str]]]:
    for name, intent in script.intents.items():
        yield (INTENT, name), ("intents", name, "phrases"), intent.phrases
    for name, form in script.forms.items():
        yield (FORM, name), ("forms", name, "phrases"), form.phrases
    for name, entity in script.entities.items():
        for value, choice in entity.values.items():
            yield (VALUE, name, value), ("entities", name, "values", value, "phrases"), choice.phrases


def _asked(script: Script) -> set[str]:
    """Return the name of every question that an answer ends with."""
    ends = [form.steps[-1] for form in script.forms.values()]
    return {intent.asks for intent in script.intents.values()} | {
        step.asks for step in ends if isinstance(step, SayStep)
    }


def _check_intents(script: Script, asked: set[str]) -> None:
    for name, intent in script.intents.items():
        path: Path = ("intents", name)
        if intent.after and intent.after not in asked:
            raise _Fault((*path, "after"), f"nothing asks {intent.after!r}")
        _check_texts(intent.say, (*path, "say"), set())
        if not intent.by:
            continue
        entity = script.entities.get(intent.by)
        if entity is None or not entity.values:
            raise _Fault((*path, "by"), f"{intent.by!r} is no entity with values")
        for value, texts in intent.cases.items():
            if value not in entity.values:
                raise _Fault((*path, "cases", value), f"{intent.by} has no value {value!r}")
            _check_texts(texts, (*path, "cases", value), {intent.by})


def _check_form(script: Script, form: Form, path: Path) -> None:
    for slot, entity in form.slots.items():
        if entity not in script.entities:
            raise _Fault((*path, "slots", slot), f"there is no entity {entity!r}")
    _check_slots(form, form.starts_with, (*path, "starts_with"))
    optional = {step.slot for step in form.steps if isinstance(step, SlotStep) and step.optional}
    placed: set[str] = set()
    filled: set[str] = set()
    has_result = False
    for number, step in enumerate(form.steps):
        at: Path = (*path, "steps", number)
        if isinstance(step, SayStep) != (number == len(form.steps) - 1):
            raise _Fault(at, "a form ends with one `say`, and only there")
        known = {*filled, *(f"{slot}?" for slot in optional), *({RESULT} if has_result else ())}
        match step:
            case SlotStep():
                _check_slots(form, (step.slot,), at)
                if step.slot in placed:
                    raise _Fault(at, f"slot {step.slot!r} has two steps")
                placed.add(step.slot)
                _check_texts(step.ask, (*at, "ask"), known)
                _check_texts(step.reask, (*at, "reask"), known)
                filled |= {step.slot} - optional
            case ConfirmStep():
                _check_texts(step.confirm, (*at, "confirm"), known)
                _check_texts(step.refused, (*at, "refused"), known)
            case CallStep():
                _check_call(form, step, at, known)
                has_result = True
            case SayStep():
                _check_texts(step.say, (*at, "say"), known)
    missing = set(form.slots) - placed
    if missing:
        raise _Fault((*path, "slots"), f"no step for {', '.join(sorted(missing))}")


def _check_call(form: Form, step: CallStep, path: Path, known: set[str]) -> None:
    for name, value in step.arguments.items():
        if isinstance(value, str):
            _check_texts((value,), (*path, "with", name), {slot.removesuffix("?") for slot in known})
    _check_texts(step.say, (*path, "say"), known)
    _check_texts(step.failed, (*path, "failed"), known)
    for number, branch in enumerate(step.results):
        at: Path = (*path, "results", number)
        after = {*known, RESULT}
        _check_texts(branch.say, (*at, "say"), after)
        _check_slots(form, branch.clear, (*at, "clear"))
        if branch.offer is not None:
            offer = branch.offer
            _check_slots(form, (offer.slot, *offer.declined_clears), (*at, "offer"))
            _check_texts(offer.ask, (*at, "offer", "ask"), {*after, "options"})
            _check_texts(offer.declined, (*at, "offer", "declined"), known)


def _check_slots(form: Form, slots: Sequence[str], path: Path) -> None:
    for slot in slots:
        if slot not in form.slots:
            raise _Fault(path, f"there is no slot {slot!r} in this form")


def _check_texts(texts: Sequence[str], path: Path, known: set[str]) -> None:
    """Raise where a text takes a value that may not be there when it is said; "slot?" in `known` needs an `or`."""
    for number, text in enumerate(texts):
        try:
            template = parse_template(text)
        except TemplateError as fault:
            raise _Fault((*path, number), str(fault)) from None
        for field in template.fields:
            if field.name in known or (field.name.startswith(RESULT) and RESULT in known):
                continue
            if f"{field.name}?" in known:
                if field.default is not None:
                    continue
                raise _Fault((*path, number), f"{{{field.name}}} may be unknown here: write {{{field.name} or words}}")
            raise _Fault((*path, number), f"{{{field.name}}} is not known here")
