"""Lines of the agent's that nothing interrupts: fixed sentences by name, notices that the model says word for word."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from services.orchestrator import events as ev
from services.orchestrator.agent import Turns
from services.orchestrator.playback import Playback
from services.orchestrator.reply import Reply

BEGINNING = 2
"""Words that a reply which is still being written must share with a notice's beginning to be taken for it."""

_WORD = re.compile(r"[\w']+")


class HeldLines:
    """Tells where in an agent's speech a line begins that must be heard to its end, and where it has ended."""

    def __init__(self, turns: Turns, playback: Playback, dispatch: Callable[[ev.Event], None]) -> None:
        self._is_all = turns.interruption == "never"
        self._sentences = frozenset(phrase.value for phrase in turns.must_be_heard)
        self._notices = tuple(_words(notice) for notice in turns.notices)
        self._playback = playback
        self._dispatch = dispatch
        self._held_epoch = 0
        self._known: tuple[Reply | None, int, frozenset[int]] = (None, 0, frozenset())
        """(reply, how many phrases it had, which of them are held)"""

    def look(self, reply: Reply | None) -> None:
        """Look at what is heard now; to be called with each frame that is handed over."""
        epoch = self._playback.epoch
        is_held = reply is not None and self._holds(reply)
        if is_held != (epoch == self._held_epoch):
            self._held_epoch = epoch if is_held else 0
            self._dispatch(ev.LineHeld(epoch, is_held))

    def _holds(self, reply: Reply) -> bool:
        if self._is_all or (reply.is_canned and reply.outcome in self._sentences):
            return True
        if not self._notices:
            return False
        heard = reply.timeline.phrases_between(self._playback.position_ms(), self._playback.sent_ms)
        return not heard.isdisjoint(self._held_phrases(reply))

    def _held_phrases(self, reply: Reply) -> frozenset[int]:
        """Find them once for each phrase that comes, not with each frame: it reads all of the reply."""
        known, phrases, held = self._known
        if known is not reply or phrases != reply.timeline.phrase_count:
            held = held_phrases(reply.timeline.texts, self._notices)
            self._known = reply, reply.timeline.phrase_count, held
        return held


def held_phrases(texts: Sequence[str], notices: Sequence[Sequence[str]]) -> frozenset[int]:
    """Return the numbers of the phrases that say a notice, or begin one that what follows may complete.

    `notices`: their words, in lower case. Case and punctuation do not matter.
    """
    words = [(word, number) for number, text in enumerate(texts) for word in _words(text)]
    held: set[int] = set()
    for notice in notices:
        for first in range(len(words)):
            said = words[first : first + len(notice)]
            is_begun = len(said) == len(notice) or len(said) >= BEGINNING
            if said and is_begun and all(word == wanted for (word, _), wanted in zip(said, notice, strict=False)):
                held.update(number for _, number in said)
    return frozenset(held)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("\u2019", "'"))
