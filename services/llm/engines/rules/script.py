"""A dialogue script as it is written in YAML: the shape of each part, checked by pydantic (docs/rules-engine.md)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from services.llm.engines.rules.times import minutes_of

Scalar: TypeAlias = str | int | float | bool
NAME = re.compile(r"[a-z][a-z0-9_]*")


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Texts: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""One text, or several that are said in turn: the first time the first, the second time the second, then over again."""


class Part(BaseModel):
    """Base of every part: frozen, and without unknown fields (a misspelt one must not pass silently)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Choice(Part):
    """One value of a `choice`: the phrases that mean it, and how it is said."""

    phrases: Texts = Field(min_length=1)
    say: str


class Entity(Part):
    """Something to find in what was said: a weekday, a time, a person's name, or one of several values."""

    type: Literal["weekday", "time", "name", "choice"]
    opens: str = "08:00"
    closes: str = "18:00"
    values: dict[str, Choice] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Entity:
        if (self.type == "choice") != bool(self.values):
            raise ValueError("values belong to a choice, and a choice needs some")
        if minutes_of(self.opens) >= minutes_of(self.closes):
            raise ValueError("opens must be before closes")
        return self


class Intent(Part):
    """Something a caller means, and the answer to it."""

    phrases: Texts = Field(min_length=1)
    say: Texts = ()
    by: str = ""
    """Entity whose value picks the answer among `cases`; `say` answers the rest."""
    cases: dict[str, Texts] = Field(default_factory=dict)
    does: Literal["answer", "repeat", "cancel", "hold", "yes", "no"] = "answer"
    call: str = ""
    """Tool to call, without arguments, once the answer is said; only if it is offered."""
    weak: bool = False
    """Gives way to whatever else was said: thanks, hello. `yes` and `no` always do."""
    after: str = ""
    """Only meant right after an answer that `asks` this."""
    asks: str = ""
    """Name of the question that the answer ends with."""

    @model_validator(mode="after")
    def _check(self) -> Intent:
        if not self.say and self.does in ("answer", "cancel"):
            raise ValueError("say what to answer")
        if bool(self.by) != bool(self.cases):
            raise ValueError("by and cases belong together")
        return self

    @property
    def gives_way(self) -> bool:
        """Whether anything else that was said counts more."""
        return self.weak or self.does in ("yes", "no")


class SlotStep(Part):
    """Ask for a slot until it is filled."""

    slot: str
    ask: Texts = ()
    reask: Texts = ()
    """Said where the answer was not understood; `ask` again where there is none."""
    optional: bool = False
    """Taken where it was said, never asked for."""

    @model_validator(mode="after")
    def _check(self) -> SlotStep:
        if self.optional == bool(self.ask):
            raise ValueError("ask for a slot, or make it optional")
        return self


class ConfirmStep(Part):
    """Read back what was understood and go on only after a yes. What is changed is read back again."""

    confirm: Texts = Field(min_length=1)
    refused: Texts = Field(min_length=1)
    """Said after a no: it asks what to change."""


class Offer(Part):
    """Values from a tool's result, one of which the caller may pick for a slot."""

    slot: str
    values: str
    """Field of the result that lists them."""
    ask: Texts = Field(min_length=1)
    """{options} stands for the values."""
    declined: Texts = Field(min_length=1)
    """Said after a no; then `declined_clears` are asked for anew."""
    declined_clears: tuple[str, ...] = ()


class Branch(Part):
    """What to do after a tool's result: the first branch whose `when` holds is taken."""

    when: dict[str, Scalar] = Field(default_factory=dict)
    """Field of the result -> its value, or `any` for a field that is there and not empty."""
    say: Texts = ()
    go_on: bool = False
    """Go on with the next step; otherwise stop here and listen."""
    clear: tuple[str, ...] = ()
    """Slots to forget."""
    offer: Offer | None = None

    @model_validator(mode="after")
    def _check(self) -> Branch:
        if self.go_on and (self.clear or self.offer):
            raise ValueError("a branch that goes on clears and offers nothing")
        if not (self.go_on or self.clear or self.offer):
            raise ValueError("a branch goes on, clears slots or makes an offer")
        return self


class CallStep(Part):
    """Call a tool with the slots, unless it was called with the same ones before, and act on its result."""

    call: str
    arguments: dict[str, Scalar] = Field(default_factory=dict, alias="with")
    say: Texts = ()
    """Said while the tool runs."""
    results: tuple[Branch, ...] = Field(min_length=1)
    failed: Texts = Field(min_length=1)
    """Said where the tool failed, is not offered, or returned what no branch knows."""


class SayStep(Part):
    """The end of a form."""

    say: Texts = Field(min_length=1)
    asks: str = ""


def _kind_of(step: Any) -> str | None:
    if isinstance(step, dict):
        return next((kind for kind in ("slot", "confirm", "call", "say") if kind in step), None)
    return None


Step: TypeAlias = Annotated[
    Annotated[SlotStep, Tag("slot")]
    | Annotated[ConfirmStep, Tag("confirm")]
    | Annotated[CallStep, Tag("call")]
    | Annotated[SayStep, Tag("say")],
    Discriminator(
        _kind_of,
        custom_error_type="unknown_step",
        custom_error_message="a step starts with slot, confirm, call or say",
    ),
]


class Form(Part):
    """Slots to fill over several turns and what to do with them, step by step."""

    phrases: Texts = Field(min_length=1)
    """What starts it."""
    starts_with: tuple[str, ...] = ()
    """Slots that start it, too, where they are said outside of a form."""
    yes_after: tuple[str, ...] = ()
    """Questions (see `asks`) to which a yes starts it."""
    slots: dict[str, str]
    """Slot -> entity."""
    steps: tuple[Step, ...] = Field(min_length=1)


class Script(Part):
    """A whole script."""

    script: str
    """Its name: what GenerateConfig.model says."""
    language: str = "en"
    entities: dict[str, Entity] = Field(default_factory=dict)
    intents: dict[str, Intent] = Field(default_factory=dict)
    forms: dict[str, Form] = Field(default_factory=dict)
    fallback: Texts = Field(min_length=1)
    """Said where nothing was understood."""
