"""Which Piper voice a client means: by name and speaker, by language, or the default."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.common.errors import InvalidInput

_MAX_LISTED_SPEAKERS = 20


@dataclass(frozen=True, slots=True)
class VoiceEntry:
    """A voice that is loaded."""

    name: str
    language: str
    """Such as "en-us"."""
    speakers: Mapping[str, int] = field(default_factory=dict)
    """Names to ids; empty for a voice of one speaker, and where the voice does not name them."""
    speaker_count: int = 1
    default_speaker: int = 0


@dataclass(frozen=True, slots=True)
class ChosenVoice:
    """A voice, and who of it speaks."""

    name: str
    speaker: int = 0


class VoiceCatalogue:
    """The loaded voices. The first is the default where `default` is empty."""

    def __init__(self, entries: Iterable[VoiceEntry], default: str = "") -> None:
        self._entries = list(entries)
        self._by_name = {entry.name.lower(): entry for entry in self._entries}
        first = self._entries[0]
        self._default = ChosenVoice(first.name, first.default_speaker)
        if default:
            self._default = self._named(default)

    @property
    def listed(self) -> tuple[str, ...]:
        """Names, speakers as "name#speaker" (the first 20 of each), and the languages, which are names too."""
        speakers = [
            f"{entry.name}#{speaker}"
            for entry in self._entries
            if entry.speaker_count > 1
            for speaker in list(entry.speakers or map(str, range(entry.speaker_count)))[:_MAX_LISTED_SPEAKERS]
        ]
        languages = dict.fromkeys(entry.language for entry in self._entries)
        return (*(entry.name for entry in self._entries), *speakers, *languages)

    def choose(self, voice: str, language: str) -> ChosenVoice:
        """Return the voice of that name, else one of that language, else the default.

        Raises InvalidInput that names near ones.
        """
        if voice:
            return self._named(voice)
        if not language:
            return self._default
        chosen = self._of_language(language.lower().replace("_", "-"))
        if chosen is None:
            raise InvalidInput(f"no voice for language {language!r}: try one of {', '.join(self._languages())}")
        return chosen

    def _named(self, voice: str) -> ChosenVoice:
        name, _, speaker = voice.partition("#")
        entry = self._by_name.get(name.lower())
        if entry is not None:
            return ChosenVoice(entry.name, _speaker(entry, speaker) if speaker else entry.default_speaker)
        if voice.lower() in self._languages() and (chosen := self._of_language(voice.lower())) is not None:
            return chosen
        raise InvalidInput(f"unknown voice {voice!r}: try one of {', '.join(self._near(name))}")

    def _of_language(self, tag: str) -> ChosenVoice | None:
        """Return the default voice if it speaks that, else the first that does, else one of another region."""
        default = self._by_name[self._default.name.lower()]
        order = [default, *(entry for entry in self._entries if entry is not default)]
        primary = tag.partition("-")[0]
        exact = [entry for entry in order if entry.language in (tag, "-".join(tag.split("-")[:2]))]
        near = [entry for entry in order if entry.language.partition("-")[0] == primary]
        for entry in exact or near:
            speaker = self._default.speaker if entry is default else entry.default_speaker
            return ChosenVoice(entry.name, speaker)
        return None

    def _languages(self) -> list[str]:
        return list(dict.fromkeys(entry.language for entry in self._entries))

    def _near(self, name: str) -> list[str]:
        names = {entry.name.lower(): entry.name for entry in self._entries}
        close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.4)
        return list(dict.fromkeys([*(names[found] for found in close), *list(names.values())[:3], *self._languages()]))


def _speaker(entry: VoiceEntry, speaker: str) -> int:
    """Return the id of a speaker who is given by name, or by number. Raises InvalidInput."""
    by_name = {name.casefold(): number for name, number in entry.speakers.items()}
    if speaker.casefold() in by_name:
        return by_name[speaker.casefold()]
    if speaker.isascii() and speaker.isdigit() and int(speaker) < entry.speaker_count and entry.speaker_count > 1:
        return int(speaker)
    if entry.speaker_count == 1:
        raise InvalidInput(f"voice {entry.name!r} has one speaker only: leave #{speaker} off")
    near = difflib.get_close_matches(speaker.casefold(), by_name, n=4, cutoff=0.0)
    raise InvalidInput(
        f"voice {entry.name!r} has no speaker {speaker!r}: try a number up to {entry.speaker_count - 1}"
        + (f", or one of {', '.join(near)}" if near else "")
    )
