"""What a reply says and where it lies in its audio, so that what the caller heard is known to the word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from services.orchestrator.wording.spoken import Spoken

MS_PER_CHAR = 65
"""Pace of speech where nothing better is known: about 150 words of 6 characters, spaces included, a minute."""
CLAUSE_ENDS = tuple(",;:.!?\u2013\u2014\u2026\u3001\u3002\uff0c\uff1f\uff01")


@dataclass(frozen=True, slots=True)
class TimedWord:
    """Where a word lies in its phrase: in the audio, and in the text (code points)."""

    end_ms: float
    char_end: int
    start_ms: float = -1.0
    """Negative: not known, where the word before ends."""


@dataclass(slots=True)
class _Phrase:
    spoken: Spoken
    audio_ms: float = 0.0
    is_complete: bool = False
    words: list[TimedWord] = field(default_factory=list)
    """Their places in the text are those of what is written."""
    said_ends: list[int] = field(default_factory=list)
    """Where the same words end in the text as it is said."""

    @property
    def text(self) -> str:
        """As it is written."""
        return self.spoken.written


class Timeline:
    """The phrases of one reply in the order they are spoken, with their audio and word timings as they become known."""

    def __init__(self) -> None:
        self._phrases: dict[int, _Phrase] = {}

    def add_phrase(self, phrase: Spoken | str) -> int:
        """Add the next phrase, which is written as it is said where it is a mere text; return its number, from 0."""
        number = len(self._phrases)
        self._phrases[number] = _Phrase(phrase if isinstance(phrase, Spoken) else Spoken.of(phrase))
        return number

    def add_audio(self, phrase_id: int, audio_ms: float, *, is_last: bool = False) -> None:
        """Count audio of a phrase. Unknown phrases are ignored."""
        if (phrase := self._phrases.get(phrase_id)) is not None:
            phrase.audio_ms += audio_ms
            phrase.is_complete |= is_last

    def add_words(self, phrase_id: int, words: Sequence[TimedWord]) -> None:
        """Add timings of words that are said: a long phrase is synthesised in parts. Unknown phrases are ignored."""
        if (phrase := self._phrases.get(phrase_id)) is not None:
            written_end = phrase.spoken.written_end
            phrase.said_ends.extend(word.char_end for word in words)
            phrase.words.extend(replace(word, char_end=written_end(word.char_end)) for word in words)

    @property
    def text(self) -> str:
        """All that the reply was meant to say so far."""
        return " ".join(phrase.text for phrase in self._phrases.values())

    @property
    def texts(self) -> list[str]:
        """What it was meant to say so far, phrase by phrase."""
        return [phrase.text for phrase in self._phrases.values()]

    @property
    def phrase_count(self) -> int:
        """Phrases so far."""
        return len(self._phrases)

    @property
    def audio_ms(self) -> float:
        """All audio known so far."""
        return sum(phrase.audio_ms for phrase in self._phrases.values())

    def heard(self, played_ms: float) -> list[str]:
        """Return, phrase by phrase, the words whose audio lies wholly before `played_ms` of the reply's audio."""
        heard = []
        for phrase in self._phrases.values():
            if played_ms <= 0:
                break
            heard.append(_heard_of(phrase, played_ms))
            played_ms -= phrase.audio_ms
        return heard

    def heard_text(self, played_ms: float) -> str:
        """Return the words whose audio lies wholly before `played_ms`, as one text."""
        return " ".join(part for part in self.heard(played_ms) if part)

    def phrases_between(self, begin_ms: float, end_ms: float) -> set[int]:
        """Return the numbers of the phrases that sound in that part of the reply's audio."""
        found, began_ms = set(), 0.0
        for number, phrase in self._phrases.items():
            if began_ms < end_ms and began_ms + phrase.audio_ms > begin_ms:
                found.add(number)
            began_ms += phrase.audio_ms
        return found

    def said_between(self, begin_ms: float, end_ms: float) -> str:
        """Return the words, as they are said, whose audio ends within that part of the reply's audio."""
        parts, began_ms = [], 0.0
        for phrase in self._phrases.values():
            parts.append(_said_part(phrase, begin_ms - began_ms, end_ms - began_ms))
            began_ms += phrase.audio_ms
        return " ".join(part for part in parts if part)

    def restart_ms(self, played_ms: float, *, at_clause: bool = False) -> float:
        """Return where to go on after `played_ms`: at the beginning of the word that was cut, or of its clause.

        `played_ms` itself where no word was cut, or none of its phrase is timed.
        """
        began_ms = 0.0
        for phrase in self._phrases.values():
            if began_ms <= played_ms < began_ms + phrase.audio_ms:
                return began_ms + _restart_ms(phrase, played_ms - began_ms, at_clause)
            began_ms += phrase.audio_ms
        return played_ms


def _restart_ms(phrase: _Phrase, played_ms: float, at_clause: bool) -> float:
    clause_ms = end_ms = 0.0
    begins_clause = True
    for word in phrase.words:
        start_ms = word.start_ms if word.start_ms >= 0 else end_ms
        if begins_clause:
            clause_ms = start_ms
        if word.end_ms > played_ms:
            if start_ms < played_ms:
                return clause_ms if at_clause else start_ms
            return clause_ms if at_clause and not begins_clause else played_ms
        begins_clause = phrase.text[: word.char_end].endswith(CLAUSE_ENDS)
        end_ms = word.end_ms
    return played_ms


def _said_part(phrase: _Phrase, begin_ms: float, end_ms: float) -> str:
    if not phrase.words:
        return _heard_of(phrase, end_ms)[len(_heard_of(phrase, begin_ms)) :].strip()
    return phrase.spoken.text[_said_end(phrase, begin_ms) : _said_end(phrase, end_ms)].strip()


def _said_end(phrase: _Phrase, played_ms: float) -> int:
    timed = zip(phrase.words, phrase.said_ends, strict=True)
    return max((end for word, end in timed if word.end_ms <= played_ms), default=0)


def _heard_of(phrase: _Phrase, played_ms: float) -> str:
    is_whole = phrase.is_complete and played_ms >= phrase.audio_ms
    return phrase.text if is_whole else _heard_part(phrase, played_ms)


def _heard_part(phrase: _Phrase, played_ms: float) -> str:
    if phrase.words:
        ends = [word.char_end for word in phrase.words if word.end_ms <= played_ms]
        return phrase.text[: max(ends, default=0)].rstrip()
    if not phrase.audio_ms:
        return ""
    # No word timings, or not yet: assume an even pace, and count whole words only.
    whole_ms, said = phrase.audio_ms, phrase.spoken.text
    if not phrase.is_complete:  # what is still to come is not known
        whole_ms = max(whole_ms, len(said) * MS_PER_CHAR)
    cut = int(len(said) * min(1.0, played_ms / whole_ms))
    return phrase.text[: phrase.spoken.written_end(said.rfind(" ", 0, cut))].rstrip()
