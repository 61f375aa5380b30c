"""What was said, as words to compare: lower case, contractions opened, no punctuation, small mishearings forgiven."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CONTRACTIONS = {
    "i'm": "i am",
    "i'd": "i would",
    "i've": "i have",
    "i'll": "i will",
    "you're": "you are",
    "we're": "we are",
    "they're": "they are",
    "let's": "let us",
    "can't": "can not",
    "cannot": "can not",
    "won't": "will not",
    "o'clock": "oclock",
    "gonna": "going to",
    "wanna": "want to",
    "ok": "okay",
    "thankyou": "thank you",
    "check-up": "check up",
    "checkup": "check up",
    "goodbye": "good bye",
    "a.m.": "am",
    "p.m.": "pm",
}
_TOKEN = re.compile(r"[0-9]+(?::[0-9]+)?|[^\W\d_]+(?:['’][^\W\d_]+)*")  # noqa: RUF001 - the typographic apostrophe
_HALF_DAY = re.compile(r"\b([ap])\.? ?m\b\.?")
_DOTTED_TIME = re.compile(r"\b(\d{1,2})\.(\d{2})\b")
MIN_MISHEARD_LETTERS = 5
_APOSTROPHE_S = ("what", "that", "it", "where", "when", "who", "how", "there", "here", "name", "she", "he")


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of `text`, comparable: "What's on at 10.30 a.m.?" -> what is on at 10:30 am."""
    lowered = _HALF_DAY.sub(r"\1m", _DOTTED_TIME.sub(r"\1:\2", text.lower().replace("-", " ").replace("’", "'")))  # noqa: RUF001
    words: list[str] = []
    for token in _TOKEN.findall(lowered):
        words.extend(_opened(token).split())
    return tuple(words)


def _opened(token: str) -> str:
    if token in _CONTRACTIONS:
        return _CONTRACTIONS[token]
    if token.endswith("n't"):
        return token[:-3] + " not"
    if token.endswith("'s"):
        return token[:-2] + " is" if token[:-2] in _APOSTROPHE_S else token[:-2] + "s"
    return token


def tolerated_edits(word: str) -> int:
    """Return how many letters of a known word may be misheard: none below 5 letters, 1 below 8, then 2."""
    return 0 if len(word) < 5 else 1 if len(word) < 8 else 2


def is_within(left: str, right: str, edits: int) -> bool:
    """Tell whether two words are within `edits` insertions, deletions, substitutions or swaps of neighbours."""
    if abs(len(left) - len(right)) > edits:
        return False
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, letter in enumerate(left, 1):
        current = [i]
        for j, other in enumerate(right, 1):
            cost = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > edits:
            return False
        before, row = row, current
    return row[-1] <= edits


class Vocabulary:
    """The words a script knows, found again where one was slightly misheard.

    Looking up by what is left after deleting letters (the idea of symmetric delete spelling correction) costs about
    10 us a word, where comparing it with every known word costs milliseconds. Nothing that was said is kept.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._by_deletion: dict[str, list[str]] = {}
        for word in sorted(self._words):
            for variant in _deletions(word, tolerated_edits(word)):
                self._by_deletion.setdefault(variant, []).append(word)

    def __contains__(self, word: object) -> bool:
        return word in self._words

    def nearest(self, word: str) -> str:
        """Return `word` itself if known, else the known word with fewest edits within tolerance, else itself."""
        if len(word) < MIN_MISHEARD_LETTERS or word in self._words:
            return word
        edits = tolerated_edits(word + "?")  # a letter may be missing from what was heard
        candidates = {known for variant in _deletions(word, edits) for known in self._by_deletion.get(variant, ())}
        for limit in range(1, edits + 1):
            close = [known for known in candidates if tolerated_edits(known) >= limit and is_within(word, known, limit)]
            if close:
                return min(close)
        return word


def _deletions(word: str, edits: int) -> set[str]:
    """Return `word` and what is left of it after deleting up to `edits` letters."""
    found = {word}
    for _ in range(edits):
        found |= {shorter[:i] + shorter[i + 1 :] for shorter in found for i in range(len(shorter))}
    return found
