"""Texts as models give them, for the tests of what becomes of them."""

from __future__ import annotations

import itertools
import re

from hypothesis import strategies as st

PIECES = st.sampled_from(
    [
        *"abcXYZ019 \n\t.,;:!?…'\")]-|*#`<>/@%$€&",
        "Dr.", "e.g.", "10.", "30", " - ", " \N{EM DASH} ", "word ", "Hello. ", "é", "你好", "👋🏽", "$12.50 ",
        "3:30 p.m. ",
        "March 3, 2026 ", "anna@example.com ", "https://example.com/a?b=1 ", "555-123-4567 ",
        "**bold** ", "[a link](x.y) ",
        "and I ", "which is ", "of the ", "```\n", "\n- ", "1. ", "BK-4471 ", "1/2 ", "5 km ", "20% ", "1,250,000 ",
        '<break time="300ms"/>', '<emotion value="calm"/>', "<spell>AB1</spell>",
        '<say-as interpret-as="ordinal">3</say-as>',
        "<b>", "<spell>", "</say-as>", "<bre", "x < y",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=80).map("".join)
CUTS = st.lists(st.integers(0, 400), max_size=30)


def cut(text: str, at: list[int]) -> list[str]:
    """Return `text` in deltas that end at these places."""
    places = [0, *sorted(place for place in at if place < len(text)), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(places)]


def by_word(text: str) -> list[str]:
    """Return `text` in deltas as models give them: a word with the space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def squeezed(text: str) -> str:
    return "".join(text.split())
