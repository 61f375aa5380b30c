"""What a dialogue remembers, and what it answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

CONFIRMATION = "?"
"""Stands in `State.asked` for the yes or no of a confirm step; no slot can have this name."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to call."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for the same tool with the same arguments."""
        return f"{self.name} {json.dumps(self.arguments, sort_keys=True)}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say, and then the tool to call, if any."""

    text: str = ""
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class ActiveOffer:
    """Values that were offered for a slot."""

    slot: str
    values: tuple[str, ...]
    declined: str
    declined_clears: tuple[str, ...]
    cleared: Mapping[str, str]
    """Slots as they were before the offer: wanted again where the caller changes something else instead."""


@dataclass(slots=True)
class FormState:
    """An open form."""

    name: str
    slots: dict[str, str] = field(default_factory=dict)
    results: dict[str, Mapping[str, object]] = field(default_factory=dict)
    """Call key -> what the tool returned."""
    told: set[str] = field(default_factory=set)
    """Keys of the calls whose result was spoken of."""
    asked: str = ""
    """Slot that was asked for, CONFIRMATION, or empty where nothing was (a tool runs, or failed)."""
    prompt: str = ""
    """The question as it was asked."""
    offer: ActiveOffer | None = None
    confirmed: Mapping[str, str] | None = None
    """The slots as they were confirmed."""


@dataclass(slots=True)
class State:
    """A dialogue so far. It is recomputed from the conversation's messages at every turn, never kept."""

    form: FormState | None = None
    question: str = ""
    """Name of what the last answer asked."""
    last_intent: str = ""
    last_answer: str = ""
    said: Counter[str] = field(default_factory=Counter)
    """How often each text was said, so that variants take turns."""
