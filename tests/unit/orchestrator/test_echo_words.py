"""Words over the agent: which are its own."""

from __future__ import annotations

import pytest

from services.orchestrator.echo_words import without_echo

pytestmark = pytest.mark.unit

SAID = "We have Tuesday at ten, Wednesday at half past two, and Friday."


@pytest.mark.parametrize(
    ("text", "is_known", "left"),
    [
        ("Tuesday at ten", False, ""),
        ("tuesday, at TEN wednesday", False, ""),
        ("Tuesday at", False, "Tuesday at"),
        ("Tuesday at ten please", False, "Tuesday at ten please"),
        ("Tuesday Wednesday Friday", False, "Tuesday Wednesday Friday"),
        ("Tuesday at ten please", True, "please"),
        ("no wait half past two", True, "no wait"),
        ("Tuesday", True, "Tuesday"),
        ("stop", True, "stop"),
        ("at half past", True, ""),
        ("", True, ""),
        ("", False, ""),
    ],
)
def test_what_the_agent_was_saying_is_left_out(text: str, is_known: bool, left: str) -> None:
    assert without_echo(text, SAID, is_known=is_known) == left


def test_where_nothing_was_said_all_words_are_the_callers() -> None:
    assert without_echo("Tuesday at ten", "", is_known=True) == "Tuesday at ten"
