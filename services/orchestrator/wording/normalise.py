"""A phrase as it is written becomes a phrase as it is said."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from services.orchestrator.wording.directives import SAY_AS, SAY_AS_END
from services.orchestrator.wording.language import Language
from services.orchestrator.wording.languages import language_of
from services.orchestrator.wording.markup import markup_edits
from services.orchestrator.wording.numbers import CARDINAL, ORDINAL, digit_groups, spell
from services.orchestrator.wording.rules import Rule, rules_of
from services.orchestrator.wording.spoken import Edit, Spoken

_WORTH_A_LOOK = re.compile(r"[\d@&%+=×→/]|\w\.(?=\s*\S)|\w\.\w")  # noqa: RUF001 - a sign of multiplication
_KINDS = {mark: kind for kind, mark in SAY_AS.items()}
_ENDS = ".!?…:;,。！？"  # noqa: RUF001 - CJK


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Knows how one language is said. Without one, only markup is taken out, and the voice says the rest as it can."""

    language: Language | None
    rules: tuple[Rule, ...]

    def say(self, raw: str, *, ends_line: bool = False) -> Spoken:
        """Return a phrase as it is said; `raw` may hold the marks of `directives.SAY_AS`.

        `ends_line`: a line ended behind it, where a voice pauses though there is no mark.
        """
        written, asked = _without_marks(raw)
        edits = list(markup_edits(written))
        text = _blanked(written, edits)
        said = [Edit(start, end, self._as_asked(written[start:end], kind)) for start, end, kind in asked]
        if self.rules and _WORTH_A_LOOK.search(text):
            said = _claimed(said, text, self.rules)
        edits = _merged(said, edits)
        spoken = Spoken.of(written, edits)
        if ends_line and spoken.text.rstrip()[-1:].isalnum():
            spoken = Spoken.of(written, [*edits, Edit(len(written), len(written), ".")])
        return spoken

    def _as_asked(self, text: str, kind: str) -> str:
        """Return what stands in a `say-as`."""
        if kind == "characters":
            return ", ".join(" ".join(self._letters(run)) for run in text.split())
        if self.language is None:
            return text
        if kind in ("digits", "telephone"):
            return digit_groups(self.language.code, text) or text
        number = self.language.plain(text.strip())
        if not number.replace(".", "", 1).isdecimal():
            return text
        return self.language.number(number, ORDINAL if kind == "ordinal" else CARDINAL)

    def _letters(self, text: str) -> Iterable[str]:
        for char in text:
            if char.isdecimal() and self.language is not None:
                yield spell(self.language.code, char)
            elif char.isalnum():
                yield char.upper()
            elif self.language is not None and char in self.language.letters:
                yield self.language.letters[char]


@cache
def normaliser(tag: str) -> Normaliser:
    """Return the normaliser of a language, by its BCP 47 tag. Made once, in some milliseconds."""
    language = language_of(tag)
    region = tag.partition("-")[2].upper()
    if language is not None:
        spell(language.code, "0")  # reads the language's number rules
    return Normaliser(language, rules_of(language, region) if language else ())


def _without_marks(raw: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Return the text without the marks of say-as, and where each such stretch lies in it: start, end, kind."""
    if not any(mark in raw for mark in _KINDS):
        return raw.replace(SAY_AS_END, ""), []
    written: list[str] = []
    asked: list[tuple[int, int, str]] = []
    start, kind = 0, ""
    for char in [*raw, SAY_AS_END]:
        if char in _KINDS or char == SAY_AS_END:
            if kind and len(written) > start:
                asked.append((start, len(written), kind))
            start, kind = len(written), _KINDS.get(char, "")
        else:
            written.append(char)
    return "".join(written), asked


def _blanked(text: str, edits: Iterable[Edit]) -> str:
    for edit in edits:
        text = f"{text[: edit.start]}{' ' * (edit.end - edit.start)}{text[edit.end :]}"
    return text


def _claimed(asked: list[Edit], text: str, rules: Iterable[Rule]) -> list[Edit]:
    """Return `asked` and what the rules make of the rest, in order; the earlier rule has a stretch first."""
    taken = bytearray(len(text))
    edits = list(asked)
    for edit in asked:
        taken[edit.start : edit.end] = b"\1" * (edit.end - edit.start)
    chars = frozenset(text)
    for rule in rules:
        if rule.needs and not rule.needs & chars:
            continue
        for match in rule.pattern.finditer(text):
            start, end = match.span()
            if any(taken[start:end]):
                continue
            said = rule.say(match)
            if said is None:
                continue
            taken[start:end] = b"\1" * (end - start)
            edits += [Edit(start, end, said)] if isinstance(said, str) else said
    return sorted(edits)


def _merged(said: list[Edit], unsaid: list[Edit]) -> list[Edit]:
    """Return both in order; what is not said within what is said in other words is part of that."""
    kept = [edit for edit in unsaid if not any(other.start < edit.end and edit.start < other.end for other in said)]
    return sorted([*said, *kept])
