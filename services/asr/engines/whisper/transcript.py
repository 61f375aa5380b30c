"""What of successive hypotheses is kept: LocalAgreement-2 over words. Pure.

Macháček, Dabre, Bojar: Turning Whisper into Real-Time Transcription System (IJCNLP-AACL 2023): the longest common
prefix of two successive hypotheses is committed. Here the newest word never is (it may yet grow an ending or a full
stop), and two decodes of nearly the same audio do not count as two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

AGREEING_AUDIO_MS = 150
"""Two hypotheses agree only where the second has heard this much more: on the same audio they always do."""
LONG_MS = 4_000
"""Committed words are cut off the window once they span this: each is a decoding step, and audio to encode."""
KEEP_MS = 1_500
"""Committed speech that stays before the newest words, so that the model hears them in their context."""
_NOT_A_LETTER = re.compile(r"[^\w']+")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Heard:
    """A word as the model wrote it, with the space before it. Times count from the utterance's first sample."""

    text: str
    tokens: tuple[int, ...]
    start_ms: int
    end_ms: int
    probability: float

    @property
    def key(self) -> str:
        """What counts when two hypotheses are compared: neither case nor punctuation, which flicker."""
        return _NOT_A_LETTER.sub("", self.text.lower())


def written(words: Sequence[Heard], *, with_punctuation: bool = True) -> str:
    """Return the text of words: lower case, single spaces, as voice.asr.v1 asks."""
    text = "".join(word.text for word in words).lower()
    if not with_punctuation:
        text = "".join(_bare(word.text.lower()) for word in words)
    return _SPACES.sub(" ", text).strip()


def _bare(word: str) -> str:
    """Return a word without the punctuation around it; what is inside (an apostrophe, a hyphen, 10:30) stays."""
    stripped = word.strip()
    core = re.sub(r"^\W+|\W+$", "", stripped)
    return word.replace(stripped, core, 1) if core else ""


class Transcript:
    """The words of one utterance: cut off the window, committed inside it, and the newest hypothesis after them."""

    def __init__(self) -> None:
        self.past: list[Heard] = []
        """Committed words whose audio has left the window."""
        self.committed: list[Heard] = []
        """Committed words in the window: the decoder is given them as a prefix."""
        self.tail: tuple[Heard, ...] = ()
        """What the newest hypothesis says after them."""
        self._compared: tuple[Heard, ...] = ()
        """The hypothesis that the next one is compared with."""
        self._compared_ms = -AGREEING_AUDIO_MS

    @property
    def words(self) -> list[Heard]:
        """All of it."""
        return [*self.past, *self.committed, *self.tail]

    @property
    def kept(self) -> list[Heard]:
        """The words that will not change any more."""
        return [*self.past, *self.committed]

    def take(self, tail: Sequence[Heard], heard_ms: int, *, commits: bool = True) -> None:
        """Take a hypothesis of what follows the committed words, from audio up to `heard_ms`.

        `commits`: whether what it agrees on may be committed.
        """
        self.tail = self._in_order(tail)
        if self._compared and heard_ms - self._compared_ms < AGREEING_AUDIO_MS:
            return
        agreed = min(_agreeing(self._compared, self.tail), max(0, len(self.tail) - 1))
        self._commit(agreed if commits else 0)
        self._compared_ms = heard_ms

    def _commit(self, count: int) -> None:
        self.committed += self.tail[:count]
        self.tail = self.tail[count:]
        self._compared = self.tail

    def _in_order(self, tail: Sequence[Heard]) -> tuple[Heard, ...]:
        kept = self.committed or self.past
        at_ms = kept[-1].end_ms if kept else 0
        ordered = []
        for word in tail:
            start_ms = max(at_ms, word.start_ms)
            at_ms = max(start_ms, word.end_ms)
            ordered.append(replace(word, start_ms=start_ms, end_ms=at_ms))
        return tuple(ordered)

    def settle(self, before_ms: int | None = None) -> None:
        """Commit the newest hypothesis without waiting for agreement: whole, or the words that end before a time."""
        count = len(self.tail)
        if before_ms is not None:
            count = next((place for place, word in enumerate(self.tail) if word.end_ms > before_ms), count)
        self._commit(count)

    def leave(self) -> None:
        """Let all committed words leave the window."""
        self.past += self.committed
        self.committed = []

    def cut(self) -> tuple[Heard, Heard] | None:
        """Let older committed words leave the window where they span too much of it.

        Returns the words on both sides of the cut: the widest gap that leaves `KEEP_MS`. None: nothing was cut.
        """
        words = self.committed
        if not words or words[-1].end_ms - words[0].start_ms < LONG_MS:
            return None
        places = [place for place in range(1, len(words)) if words[-1].end_ms - words[place].start_ms >= KEEP_MS]
        if not places:
            return None
        best = max(places, key=lambda place: (words[place].start_ms - words[place - 1].end_ms, place))
        self.past += words[:best]
        self.committed = words[best:]
        return self.past[-1], self.committed[0]


def _agreeing(before: Sequence[Heard], now: Sequence[Heard]) -> int:
    count = 0
    for old, new in zip(before, now, strict=False):
        if old.key != new.key:
            break
        count += 1
    return count
