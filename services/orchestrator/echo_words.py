"""Words that are the agent's own, heard again from the caller's loudspeaker. Pure."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

RUN = 2
"""Words in a row that are the agent's, where its echo is known to be heard: one alone may be the caller's answer."""
WHOLE = 3
"""Words in a row that are the agent's and all that was heard, where no echo is known: a caller may repeat less."""

_PLAIN = re.compile(r"[^\w']+")


def without_echo(text: str, said: str, *, is_known: bool) -> str:
    """Return `text`, heard over an agent that was saying `said`, without what is the agent's own.

    `is_known`: this caller's loudspeaker has been heard. Case and punctuation do not matter.
    """
    words = text.split()
    heard = [_plain(word) for word in words]
    matcher = SequenceMatcher(None, [_plain(word) for word in said.split()], heard, autojunk=False)
    blocks = matcher.get_matching_blocks()
    if not is_known:
        is_whole = len(words) >= WHOLE and any(block.size == len(words) for block in blocks)
        return "" if is_whole else text
    own = {block.b + place for block in blocks if block.size >= RUN for place in range(block.size)}
    return " ".join(word for place, word in enumerate(words) if place not in own) if own else text


def _plain(word: str) -> str:
    return _PLAIN.sub("", word.lower())
