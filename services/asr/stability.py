"""Which leading words of successive partials will stay. Pure."""

from __future__ import annotations

from collections import deque

AGREEING = 3
"""Partials in a row that must agree on a word: local agreement, as in Macháček et al. 2023, but over 3 instead of 2."""
UNSETTLED_WORDS = 1
"""The newest words of a partial, which the next frames most often change."""


class StablePrefix:
    """Follows the partials of one utterance. The prefix only grows; every partial passed on begins with it."""

    def __init__(self) -> None:
        self._recent: deque[list[str]] = deque(maxlen=AGREEING)
        self._stable: list[str] = []

    def reset(self) -> None:
        """Begin another utterance."""
        self._recent.clear()
        self._stable = []

    @property
    def text(self) -> str:
        """The prefix so far."""
        return " ".join(self._stable)

    def begins(self, text: str) -> bool:
        """Return whether `text` begins with the prefix, without counting it."""
        return text.split()[: len(self._stable)] == self._stable

    def promised(self, text: str, prefix: str) -> bool:
        """Take a partial whose engine promises to keep `prefix`. Returns False for one that takes a word back."""
        if not (text.startswith(prefix) and prefix.startswith(self.text)):
            return False
        self._stable = prefix.split()
        return True

    def accepts(self, text: str) -> bool:
        """Take a partial. Returns False for one that contradicts the prefix: it is not to be passed on."""
        words = text.split()
        if words[: len(self._stable)] != self._stable:
            self._recent.clear()
            return False
        self._recent.append(words)
        if len(self._recent) == AGREEING:
            agreed = _common(self._recent)
            settled = agreed[: max(0, len(words) - UNSETTLED_WORDS)]
            if len(settled) > len(self._stable):
                self._stable = settled
        return True


def _common(partials: deque[list[str]]) -> list[str]:
    shared = []
    for words in zip(*partials, strict=False):
        if len(set(words)) > 1:
            break
        shared.append(words[0])
    return shared
