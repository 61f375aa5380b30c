"""A model's deltas become phrases ready for synthesis, each as it is written, as it is said, and how."""

from __future__ import annotations

from dataclasses import dataclass

from services.orchestrator.wording.directives import MAX_PAUSE_MS, Directives, Item, Pause, Style
from services.orchestrator.wording.markup import FENCE, is_speakable
from services.orchestrator.wording.normalise import normaliser
from services.orchestrator.wording.phrases import Phrase, PhraseChunker
from services.orchestrator.wording.spoken import Spoken

_SENTENCE_MARKS = (".", "!", "?", "…", "。", "！", "？")  # noqa: RUF001 - CJK
_CLOSERS = " \"')]*_”’"  # noqa: RUF001 - quotes


@dataclass(frozen=True, slots=True)
class SpokenPhrase:
    """A phrase on its way to synthesis."""

    spoken: Spoken
    style: str = ""
    """Style or emotion, for a voice that has any; empty: the stream's."""
    pause_ms: int = 0
    """Silence before it."""

    @property
    def written(self) -> str:
        """What the transcript and the history keep."""
        return self.spoken.written

    @property
    def ends_sentence(self) -> bool:
        """Whether a sentence ends with it."""
        return self.spoken.text.rstrip(_CLOSERS).endswith(_SENTENCE_MARKS)


class Wording:
    """The way of one generation's text to speech. `tag`: BCP 47 tag of the language that is spoken."""

    def __init__(self, tag: str) -> None:
        self._normaliser = normaliser(tag)
        self._directives = Directives()
        self._chunker = PhraseChunker(self._normaliser.language)
        self._style = ""
        self._pause_ms = 0
        self._unsaid = ""
        self._is_in_code = False

    def push(self, delta: str) -> list[SpokenPhrase]:
        """Add text; return the phrases that are now whole, in order."""
        return self._take(self._directives.push(delta))

    def flush(self) -> list[SpokenPhrase]:
        """Return what is left. What is written and cannot be said, such as emoji alone, is a phrase of no words."""
        phrases = self._take(self._directives.flush()) + self._say_all(self._chunker.flush())
        if self._unsaid:
            phrases.append(SpokenPhrase(Spoken.unsaid(self._unsaid.strip()), self._style))
            self._unsaid = ""
        return phrases

    def _take(self, items: list[Item]) -> list[SpokenPhrase]:
        phrases: list[SpokenPhrase] = []
        for item in items:
            if isinstance(item, str):
                phrases += self._say_all(self._chunker.push(item))
                continue
            phrases += self._say_all(self._chunker.flush())
            if isinstance(item, Style):
                self._style = item.name
            elif isinstance(item, Pause):
                self._pause_ms = min(MAX_PAUSE_MS, self._pause_ms + item.ms)
        return phrases

    def _say_all(self, phrases: list[Phrase]) -> list[SpokenPhrase]:
        return [said for phrase in phrases if (said := self._say(phrase)) is not None]

    def _say(self, phrase: Phrase) -> SpokenPhrase | None:
        """Return a phrase as it is said; None where there is nothing to say, which then goes with the next."""
        is_code = self._is_in_code
        if phrase.text.count(FENCE) % 2:
            self._is_in_code = not is_code
            is_code = True
        spoken = self._normaliser.say(phrase.text, ends_line=phrase.ends_line)
        if is_code or not is_speakable(spoken.text):
            self._unsaid += f"{spoken.written} "
            return None
        if self._unsaid:
            spoken, self._unsaid = spoken.after(self._unsaid), ""
        said = SpokenPhrase(spoken, self._style, self._pause_ms)
        self._pause_ms = 0
        return said


def whole(text: str, tag: str) -> SpokenPhrase:
    """Return a fixed sentence as one phrase; pauses in it are left out, and the last style counts."""
    directives = Directives()
    items = [*directives.push(text), *directives.flush()]
    styles = [item.name for item in items if isinstance(item, Style)]
    raw = "".join(item for item in items if isinstance(item, str)).strip()
    return SpokenPhrase(normaliser(tag).say(raw), styles[-1] if styles else "")
