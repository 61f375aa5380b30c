"""What a model says about how it is to be said is taken out of its text, wherever the deltas are cut."""

from __future__ import annotations

import pytest
from hypothesis import given

from services.orchestrator.wording.directives import MAX_PAUSE_MS, SAY_AS, SAY_AS_END, Directives, Item, Pause, Style
from tests.unit.orchestrator.wording.deltas import CUTS, TEXTS, cut

pytestmark = pytest.mark.unit


def taken(*deltas: str) -> list[Item]:
    directives = Directives()
    items = [item for delta in deltas for item in directives.push(delta)] + directives.flush()
    joined: list[Item] = []
    for item in items:
        last = joined[-1] if joined else None
        if isinstance(item, str) and isinstance(last, str):
            joined[-1] = last + item
        elif item:
            joined.append(item)
    return joined


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('<emotion value="cheerful"/> Hi.', [Style("cheerful"), " Hi."]),
        ("<Emotion name='calm'>Hi</emotion> there", [Style("calm"), "Hi", Style(""), " there"]),
        ('a <break time="300ms"/> b', ["a ", Pause(300), " b"]),
        ('a<break time="1.5s"/>b', ["a", Pause(1500), "b"]),
        ('a<break time="10 s"/>b', ["a", Pause(MAX_PAUSE_MS), "b"]),
        ("a<break/>b", ["ab"]),
        ("<spell>AB</spell>.", [f"{SAY_AS['characters']}AB{SAY_AS_END}."]),
        ('<say-as interpret-as="digits">12</say-as>', [f"{SAY_AS['digits']}12{SAY_AS_END}"]),
        ('<say-as interpret-as="unheard-of">12</say-as>', [f"12{SAY_AS_END}"]),
        ("<b>bold</b> x < y <3", ["<b>bold</b> x < y <3"]),
        ('the end <break time="3', ["the end "]),
        ('<emotion value="<script>"/>x', ['<emotion value="<script>"/>x']),
        (f"{SAY_AS['digits']}1", ["1"]),
    ],
)
def test_directives(text: str, items: list[Item]) -> None:
    assert taken(text) == items
    assert taken(*text) == items


def test_what_may_be_a_tag_is_held_no_longer_than_a_tag_is() -> None:
    directives = Directives()
    assert directives.push("a <b ") == ["a "]
    assert directives.push("c" * 200) == ["<b " + "c" * 200]


@given(TEXTS, CUTS)
def test_the_deltas_cuts_change_nothing(text: str, cuts: list[int]) -> None:
    assert taken(*cut(text, cuts)) == taken(text)
