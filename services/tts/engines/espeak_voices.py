"""Which espeak-ng voice a client means: by name, by language, or the default."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.common.errors import InvalidInput

_LISTED_VARIANTS_OF = ("en-us", "en-gb")
_LISTED_VARIANTS = ("f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8")


@dataclass(frozen=True, slots=True)
class VoiceEntry:
    """A voice as the library lists it."""

    file: str
    """Path within its voice data, such as "gmw/en-US"."""
    languages: tuple[tuple[int, str], ...]
    """(priority, language), the most preferred first; a low number is preferred."""


@dataclass(frozen=True, slots=True)
class ChosenVoice:
    """A voice the library will accept."""

    name: str
    """As listed, such as "en-us+f3"."""
    file: str
    """As the library takes it, such as "gmw/en-US+f3"."""

    @property
    def language(self) -> str:
        """Primary language subtag, such as "en"."""
        return self.name.partition("+")[0].partition("-")[0]


class VoiceCatalogue:
    """The voices by name ("en-us", after their first language) and their variants ("+f3")."""

    def __init__(self, entries: Iterable[VoiceEntry], variants: Iterable[str], default: str) -> None:
        self._by_name: dict[str, VoiceEntry] = {}
        for entry in entries:
            name = entry.languages[0][1].lower()
            if name in self._by_name:  # two voices of one language: the second goes by its file's name
                name = entry.file.rpartition("/")[2].lower()
            self._by_name[name] = entry
        spoken = [(level, name, code) for name, entry in self._by_name.items() for level, code in entry.languages]
        self._by_language = {code.lower(): name for _, name, code in sorted(spoken, reverse=True)}
        self._variants: Mapping[str, str] = {variant.lower(): variant for variant in variants}
        self._default = self._named(default)

    @property
    def listed(self) -> tuple[str, ...]:
        """Every voice, and the variants of the two main English ones; other voices take the same variants."""
        variants = [
            f"{name}+{variant}"
            for name in _LISTED_VARIANTS_OF
            for variant in _LISTED_VARIANTS
            if name in self._by_name and variant in self._variants
        ]
        return (*sorted(self._by_name), *variants)

    def choose(self, voice: str, language: str) -> ChosenVoice:
        """Return the voice of that name, else one of that language, else the default.

        Raises InvalidInput that names near ones.
        """
        if voice:
            return self._named(voice)
        if not language:
            return self._default
        tag = language.lower().replace("_", "-")
        while tag:
            if (found := self._of_language(tag)) is not None:
                return found
            tag = tag.rpartition("-")[0]
        raise InvalidInput(f"no voice for language {language!r}{self._near(language)}")

    def _of_language(self, tag: str) -> ChosenVoice | None:
        default_entry = self._by_name[self._default.name.partition("+")[0]]
        if any(code == tag for _, code in default_entry.languages):
            return self._default
        return self._named(tag) if tag in self._by_name or tag in self._by_language else None

    def _named(self, voice: str) -> ChosenVoice:
        base, plus, variant = voice.partition("+")
        name = base.lower() if base.lower() in self._by_name else self._by_language.get(base.lower(), "")
        if not name:
            raise InvalidInput(f"unknown voice {voice!r}{self._near(base)}")
        file = self._by_name[name].file
        if not plus:
            return ChosenVoice(name, file)
        known = self._variants.get(variant.lower())
        if known is None:
            near = difflib.get_close_matches(variant.lower(), self._variants, n=4, cutoff=0.0)
            raise InvalidInput(f"voice {voice!r} has no variant {variant!r}: try one of {', '.join(near)}")
        return ChosenVoice(f"{name}+{known}", f"{file}+{known}")

    def _near(self, name: str) -> str:
        lower = name.lower()
        same_language = [known for known in self._by_name if known.partition("-")[0] == lower.partition("-")[0]]
        near = list(dict.fromkeys([*difflib.get_close_matches(lower, self._by_name, n=3, cutoff=0.4), *same_language]))
        return f": try one of {', '.join((near or ['en-us', 'en-gb'])[:5])}"
