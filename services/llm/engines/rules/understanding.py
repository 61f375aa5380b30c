"""One utterance understood: what was meant, and the values in it. Pure: the same words always mean the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from services.llm.engines.rules.loading import FORM, INTENT, VALUE, LoadedScript
from services.llm.engines.rules.names import find_name
from services.llm.engines.rules.script import Intent
from services.llm.engines.rules.text import words_of
from services.llm.engines.rules.times import find_time, find_weekday

MAX_WORDS = 100
"""Words of one utterance that are looked at: the last ones. A turn is short; a megabyte must not stall other calls."""
_ORDINALS = {"first": 0, "earlier": 0, "earliest": 0, "former": 0, "either": 0, "second": 1, "third": 2}
_LAST = frozenset({"last", "later", "latest", "latter"})


@dataclass(frozen=True, slots=True)
class Heard:
    """What an utterance means."""

    intent: str | None = None
    """What was meant most strongly, by a phrase: an intent that is not weak."""
    form: str | None = None
    """Or the form that was asked for."""
    weak: str | None = None
    """The weak intent that was meant most strongly."""
    says_yes: bool = False
    says_no: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    """Entity -> value."""
    ordinal: int | None = None
    """Which of several was picked: 0 for "the first one", -1 for "the last one"."""


def understand(loaded: LoadedScript, text: str, expected: str, question: str, today: date) -> Heard:
    """Return what `text` means.

    `expected` is the entity that was asked for, `question` the name of what the last answer asked; either may be empty.
    """
    said = words_of(text)[-MAX_WORDS:]
    words = tuple(loaded.vocabulary.nearest(word) for word in said)
    script = loaded.script
    strong: tuple[float, str, str] | None = None
    weak: dict[str, float] = {}
    chosen: dict[str, tuple[int, int, str]] = {}
    for _, end, meaning, weight in loaded.phrases.matches(words):
        kind, name, *value = meaning.split("/")
        if kind == VALUE:
            chosen[name] = max(chosen.get(name, (0, 0, "")), (end, weight, value[0]))
            continue
        intent = script.intents.get(name) if kind == INTENT else None
        score = _score(intent, weight, question)
        if score is None:
            continue
        if intent is not None and intent.gives_way:
            weak[name] = max(score, weak.get(name, 0))
        elif strong is None or score > strong[0]:
            strong = (score, kind, name)
    values = {name: value for name, (_, _, value) in chosen.items()} | _found(loaded, said, words, expected, today)
    best_weak = max(weak, key=lambda name: weak[name]) if weak else None
    yes, no = (
        max((weak[name] for name in weak if script.intents[name].does == does), default=0.0) for does in ("yes", "no")
    )
    return Heard(
        intent=strong[2] if strong and strong[1] == INTENT else None,
        form=strong[2] if strong and strong[1] == FORM else None,
        weak=best_weak,
        says_yes=yes > no,
        says_no=no > 0 and no >= yes,
        values=values,
        ordinal=_ordinal(words),
    )


def _score(intent: Intent | None, weight: int, question: str) -> float | None:
    """Return how strongly a match counts: by its words, and half a word more where it answers what was asked."""
    if intent is None or not intent.after:
        return weight
    return weight + 0.5 if intent.after == question else None


def _found(
    loaded: LoadedScript, said: Sequence[str], words: Sequence[str], expected: str, today: date
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, entity in loaded.script.entities.items():
        value: str | None = None
        if entity.type == "weekday":
            value = find_weekday(words, today)
        elif entity.type == "time":
            value = find_time(words, entity.opens, entity.closes, name == expected)
        elif entity.type == "name":
            value = find_name(said, name == expected)
        if value is not None:
            found[name] = value
    return found


def _ordinal(words: Sequence[str]) -> int | None:
    for word in words:
        if word in _ORDINALS:
            return _ORDINALS[word]
        if word in _LAST:
            return -1
    return None
