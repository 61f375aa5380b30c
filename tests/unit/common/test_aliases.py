"""Names that stand for others."""

import pytest

from services.common.aliases import resolve

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("aliases", "name", "meant"),
    [
        ({}, "en-us", "en-us"),
        ({"en-us": "lessac"}, "en-us", "lessac"),
        ({"en-us": "lessac"}, "de", "de"),
        ({"en-us": "lessac", "*": "other"}, "en-us", "lessac"),
        ({"en-us": "lessac", "*": "other"}, "de", "other"),
        ({"*": ""}, "appointments", ""),
        ({"": "surprise", "*": "other"}, "", ""),
    ],
)
def test_a_name_stands_for_its_entry_else_for_that_of_all_others(
    aliases: dict[str, str], name: str, meant: str
) -> None:
    assert resolve(aliases, name) == meant
