# ruff: noqa: RUF001 (IPA is made of look-alikes)
"""From text to the phonemes of a Piper voice, sentence by sentence, and which of them each written word became.

The phonemes are espeak-ng's IPA, taken through piper-tts's own binding (piper/phonemize_espeak.py), so that a voice
gets what it was trained on.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

from services.common.errors import EngineFault
from services.tts.engine import Pronunciation
from services.tts.engines.piper_stream import CLAUSE_MARKS, SENTENCE_MARKS, VOWELS

_PAUSES = SENTENCE_MARKS | CLAUSE_MARKS | {" "}
_LANGUAGE_SWITCH = re.compile(r"\([^)]+\)")
_LINE_END = re.compile(r"(\w[ \t]*)\n")
_ABBREVIATION = re.compile(r"\b(Dr|Mr|Mrs|Ms|Prof|St|vs)\.(?=\s+\w)")
"""espeak-ng reads these right, but through piper's binding their full stop ends a sentence."""
_POSSESSIVE = re.compile(r"['’]s\b", re.IGNORECASE)
_CLOSERS = "\"')]}”’»"
_LEADING_MARK = re.compile(r"\s*([.,;:!?…])")
_STRESS = {"ˈ": "ˈ", "'": "ˈ", "ˌ": "ˌ"}
_UNWRITTEN = frozenset("/[]. ‿\u0361\u035c")
_ASCII = {"g": "ɡ", ":": "ː"}
_NOT_COMPARED = re.compile(r"[ˈˌː\u0300-\u036f]")
_MAX_CACHED_WORDS = 4096

Sentence = tuple[str, ...]
"""Phonemes as the voice knows them, with its marks for pauses and tone among them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a word is in what is said: phonemes [start, end) of a sentence. Empty for a word that is not heard."""

    sentence: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Said:
    """A text as phonemes."""

    sentences: tuple[Sentence, ...]
    places: tuple[Place, ...]
    """One for each word, in order."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause as espeak-ng says it."""

    phonemes: str
    mark: str
    ends_sentence: bool


class Phonemes:
    """espeak-ng inside piper-tts: one set of C globals a process, so that one lock holds voice and text together.

    It is linked into piper's binding; the library that our espeak engine loads is another copy.
    """

    _lock = threading.Lock()
    _bridge: Any = None
    _voice = ""

    @classmethod
    def clauses(cls, voice: str, text: str) -> list[Clause]:
        """Return `text` as `voice` says it. About 10 us a word. Raises EngineFault for a voice that it lacks."""
        with cls._lock:
            if cls._bridge is None:
                from piper import espeakbridge
                from piper.phonemize_espeak import EspeakPhonemizer

                EspeakPhonemizer()  # loads the data that came with piper-tts
                cls._bridge = espeakbridge
            try:
                if voice != cls._voice:
                    cls._voice = ""
                    cls._bridge.set_voice(voice)
                    cls._voice = voice
                return [Clause(*clause) for clause in cls._bridge.get_phonemes(text)]
            except RuntimeError as error:
                raise EngineFault(f"espeak-ng cannot turn text into phonemes of {voice!r}") from error


class Lexicon:
    """A client's pronunciations, for one voice: whole words, ignoring case; where two match, the longer wins."""

    def __init__(self, entries: Iterable[Pronunciation], known: Collection[str], takes_ipa: bool) -> None:
        self.ignored = 0
        """Entries in IPA that the voice cannot say: of another alphabet, or with a symbol that it was not taught."""
        self._said: dict[str, str | Sentence] = {}
        for entry in entries:
            phonemes = to_phonemes(entry.ipa, known) if entry.ipa and takes_ipa else None
            if phonemes is not None:
                self._said[entry.word.casefold()] = phonemes
            elif entry.ipa:
                self.ignored += 1
            else:
                self._said[entry.word.casefold()] = entry.respelling
        words = "|".join(re.escape(word) for word in sorted(self._said, key=len, reverse=True))
        self._pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if words else None

    def apply(self, text: str) -> list[str | Sentence]:
        """Return `text` with its words respelled, in parts: text, and phonemes where a word is given by them."""
        parts: list[str | Sentence] = [""]
        at = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            said = self._said.get(match.group().casefold(), match.group())
            before = text[at : match.start()]
            at = match.end()
            parts[-1] = f"{parts[-1]}{before}" if isinstance(parts[-1], str) else parts[-1]
            parts += [said, ""] if not isinstance(said, str) else []
            if isinstance(said, str):
                parts[-1] = f"{parts[-1]}{said}"
        return [*parts[:-1], f"{parts[-1]}{text[at:]}"]


def to_phonemes(ipa: str, known: Collection[str]) -> Sentence | None:
    """Return `ipa` as phonemes of a voice that knows `known`, or None where it holds a symbol that the voice lacks.

    A stress mark stands before the syllable in IPA, and right before the vowel in what espeak-ng says and voices know.
    """
    phonemes: list[str] = []
    stress = ""
    for written in unicodedata.normalize("NFD", ipa):
        if written in _STRESS:
            stress = _STRESS[written]
            continue
        char = _ASCII.get(written, written)
        if char in _UNWRITTEN:
            continue
        if char not in known:
            return None
        if stress and char in VOWELS:
            phonemes.append(stress)
            stress = ""
        phonemes.append(char)
    return tuple(phonemes) or None


class Phonemizer:
    """Says text for one voice and one lexicon. Blocks for about a millisecond a sentence: call it in a thread."""

    def __init__(
        self, voice: str, lexicon: Lexicon, *, is_espeak: bool = True, clusters: Collection[tuple[str, ...]] = ()
    ) -> None:
        self._voice = voice
        self._lexicon = lexicon
        self._is_espeak = is_espeak
        self._clusters = frozenset(clusters)
        self._word_groups = lru_cache(_MAX_CACHED_WORDS)(self._groups_of_word)

    def say(self, text: str, words: Sequence[str]) -> Said:
        """Return `text`, whose words are `words`, as phonemes. Raises EngineFault."""
        sentences = self._sentences(text)
        return Said(sentences, tuple(_places(sentences, [self._word_groups(word) for word in words])))

    def _groups_of_word(self, word: str) -> tuple[str, ...]:
        return tuple(group.text for group in _groups(self._sentences(word)))

    def _sentences(self, text: str) -> tuple[Sentence, ...]:
        text = _LINE_END.sub(r"\1,\n", _ABBREVIATION.sub(r"\1", text))
        out = _Sentences()
        parts = self._lexicon.apply(text)
        for place, part in enumerate(parts):
            if isinstance(part, tuple):
                out.insert(part, is_attached=place > 0 and str(parts[place - 1])[-1:] in ("-", "'", "’"))
            else:
                self._say_part(part, out, follows=place > 0)
        return out.finished(self._clusters)

    def _say_part(self, text: str, out: _Sentences, follows: bool) -> None:
        """Add plain text; `follows` says that it goes on after phonemes."""
        if follows and (possessive := _POSSESSIVE.match(text)):
            out.add(_ending(out.last))
            text = text[possessive.end() :]
        text = text.lstrip(_CLOSERS) if follows else text
        if follows and (mark := _LEADING_MARK.match(text)):
            out.mark(mark[1])
            text = text[mark.end() :]
        elif text[:1].isspace():
            out.space()
        if not text.strip():
            return
        clauses = Phonemes.clauses(self._voice, text) if self._is_espeak else [Clause(text, "", True)]
        for clause in clauses:
            said = _LANGUAGE_SWITCH.sub("", clause.phonemes) if self._is_espeak else clause.phonemes
            out.add(unicodedata.normalize("NFD", said))
            if clause.mark:
                out.mark(clause.mark, clause.ends_sentence)


class _Sentences:
    """Sentences as they are put together."""

    def __init__(self) -> None:
        self._done: list[list[str]] = []
        self._open: list[str] = []

    @property
    def last(self) -> str:
        """The phoneme that was added last."""
        return self._open[-1] if self._open else ""

    def add(self, phonemes: Iterable[str]) -> None:
        self._open.extend(phonemes)

    def insert(self, phonemes: Sentence, is_attached: bool) -> None:
        if not is_attached:
            self.space()
        self.add(phonemes)

    def space(self) -> None:
        if self._open and self._open[-1] != " ":
            self._open.append(" ")

    def mark(self, mark: str, ends_sentence: bool | None = None) -> None:
        mark = "." if mark == "…" else mark
        while self._open and self._open[-1] == " ":
            self._open.pop()
        if self._open and self._open[-1] not in _PAUSES:
            self._open.append(mark)
        if mark in SENTENCE_MARKS if ends_sentence is None else ends_sentence:
            self._done.append(self._open)
            self._open = []
        else:
            self.space()

    def finished(self, clusters: Collection[tuple[str, ...]]) -> tuple[Sentence, ...]:
        """Return all sentences that have a sound in them."""
        made = [_merged("".join(phonemes).strip(), clusters) for phonemes in [*self._done, self._open]]
        return tuple(sentence for sentence in made if not _PAUSES.issuperset(sentence))


def _merged(phonemes: str, clusters: Collection[tuple[str, ...]]) -> Sentence:
    """Return single phonemes, but for such runs as the voice knows as one; the longest run wins."""
    if not clusters:
        return tuple(phonemes)
    runs = "|".join(re.escape("".join(run)) for run in sorted(clusters, key=len, reverse=True))
    return tuple(re.findall(rf"{runs}|.", phonemes, re.DOTALL))


def _ending(after: str) -> str:
    """Return how an English possessive sounds after this phoneme."""
    if after in ("s", "z", "ʃ", "ʒ"):
        return "ᵻz"
    return "s" if after in ("p", "t", "k", "f", "θ") else "z"


@dataclass(frozen=True, slots=True)
class _Group:
    """Phonemes that stand together, which is a word or a few short ones."""

    text: str
    sentence: int
    start: int
    end: int


def _groups(sentences: Sequence[Sentence]) -> Iterator[_Group]:
    for number, sentence in enumerate(sentences):
        start = 0
        for end in [*(at for at, phoneme in enumerate(sentence) if phoneme in _PAUSES), len(sentence)]:
            if end > start:
                yield _Group("".join(sentence[start:end]), number, start, end)
            start = end + 1


def _places(sentences: Sequence[Sentence], alone: Sequence[Sequence[str]]) -> list[Place]:
    """Return where words are that sound like `alone` one by one (each a few groups), in what is said of them together.

    "21" is two groups and "of the" is one: where the numbers agree, groups are counted, otherwise the sounds compared.
    """
    groups = list(_groups(sentences))
    if not groups:
        return [Place(0, 0, 0) for _ in alone]
    ends = list(accumulate(len(word) for word in alone))
    if ends[-1:] == [len(groups)]:
        bounds = [0, *ends]
        return [_place_of_groups(groups, begin, end) for begin, end in pairwise(bounds)]
    return _compared(groups, alone)


def _place_of_groups(groups: Sequence[_Group], begin: int, end: int) -> Place:
    first = groups[min(begin, len(groups) - 1)]
    if begin == end:
        at = first.start if begin < len(groups) else first.end
        return Place(first.sentence, at, at)
    inside = [group for group in groups[begin:end] if group.sentence == first.sentence]
    return Place(first.sentence, first.start, inside[-1].end)


def _compared(groups: Sequence[_Group], alone: Sequence[Sequence[str]]) -> list[Place]:
    """Match the sounds of the words with those of the groups, and put what matches nothing in proportion between."""
    written = [_comparable("".join(word)) for word in alone]
    heard = [_comparable(group.text) for group in groups]
    starts = [0, *accumulate(map(len, heard))]
    blocks = SequenceMatcher(None, "".join(written), "".join(heard), autojunk=False).get_matching_blocks()
    knots = [(0, 0), *((at, block.b + at - block.a) for block in blocks for at in (block.a, block.a + block.size))]
    bounds = [_through(knots, at) for at in [0, *accumulate(map(len, written))]]
    snapped = [next((start for start in starts if abs(start - bound) <= 1), bound) for bound in bounds]
    return [_place_of_sounds(groups, starts, begin, end) for begin, end in pairwise(snapped)]


def _through(knots: Sequence[tuple[int, int]], at: int) -> int:
    place = bisect_left(knots, (at, 0))
    if place == len(knots):
        return knots[-1][1]
    (left, low), (right, high) = knots[max(0, place - 1)], knots[place]
    return high if right == left else low + round((high - low) * (at - left) / (right - left))


def _place_of_sounds(groups: Sequence[_Group], starts: Sequence[int], begin: int, end: int) -> Place:
    sentence, start = _phoneme_at(groups, starts, begin)
    last_sentence, last = _phoneme_at(groups, starts, end, is_end=True)
    if last_sentence != sentence:
        last = max(group.end for group in groups if group.sentence == sentence)
    return Place(sentence, start, max(start, last) if end > begin else start)


def _phoneme_at(groups: Sequence[_Group], starts: Sequence[int], at: int, is_end: bool = False) -> tuple[int, int]:
    """Return (sentence, phoneme) of a place in the comparable sounds of all groups."""
    place = min(max(0, bisect_left(starts, at + (0 if is_end else 1)) - 1), len(groups) - 1)
    group = groups[place]
    size = starts[place + 1] - starts[place]
    share = (at - starts[place]) / size if size else 0.0
    return group.sentence, group.start + min(group.end - group.start, round((group.end - group.start) * share))


def _comparable(phonemes: str) -> str:
    return _NOT_COMPARED.sub("", phonemes)
