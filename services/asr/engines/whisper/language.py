"""Which language a stream is decoded in: named by its config, or detected anew in each utterance. Pure.

Where a config names several, only those are detected, and one short word does not change the language of a call.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from services.common.errors import InvalidInput

DETECT = ""
SURE = 0.5
"""A detected language is believed from this probability on, as in Whisper's own long-form decoding."""
ENOUGH_MS = 1_000
"""Speech that must have been heard before a detected language holds for the rest of the utterance."""
SETTLED_MS = 5_000
"""Speech after which it holds however unsure: nothing is committed before, so each decode is of all that was said."""
SWITCH_MS = 700
"""Speech that it takes to change the language that a call is in: longer than most single words."""
SURE_OF_SWITCH = 0.8
"""Its share of the allowed languages that it takes, too."""
_WHISPER_CODES = {"nb": "no", "iw": "he", "in": "id", "jv": "jw", "fil": "tl", "cmn": "zh", "sh": "sr"}
"""Subtags that Whisper knows by another code."""


def _code(tag: str, known: Collection[str]) -> str:
    primary = tag.replace("_", "-").split("-")[0].lower()
    return "yue" if tag.lower() in ("zh-hk", "zh-yue") and "yue" in known else _WHISPER_CODES.get(primary, primary)


def whisper_code(tag: str, known: Collection[str]) -> str:
    """Return Whisper's code for a BCP 47 tag; DETECT for none. Raises InvalidInput for one that the model lacks."""
    if not tag:
        return DETECT
    code = _code(tag, known)
    if code in known:
        return code
    if set(known) == {"en"}:
        raise InvalidInput(f"language {tag!r}: this model knows English only; load a multilingual one")
    raise InvalidInput(
        f"language {tag!r}: this recogniser takes one of {', '.join(sorted(known))}, or none to detect it"
    )


@dataclass(frozen=True, slots=True)
class Detection:
    """What a detection knows before it hears."""

    allowed: tuple[str, ...] = ()
    """Whisper's codes that it may find; empty: all that the model may detect."""
    current: str = DETECT
    """What stands where no other is sure."""
    is_settled: bool = False
    """Whether the call is in `current`, so that it takes more to find another."""
    speech_ms: int = 0
    """Speech that there is to hear."""

    def choose(self, shares: Mapping[str, float], known: Collection[str]) -> tuple[str, float]:
        """Return the language and its share of what is allowed, given a probability for each; `known`: to the model."""
        allowed = self.allowed or known
        among = {code: share for code, share in shares.items() if code in allowed} or dict(shares)
        total = sum(among.values()) or 1.0
        best = max(among, key=lambda code: among[code])
        if self.current in among and among[best] / total < self._needed:
            best = self.current
        return best, among[best] / total

    @property
    def _needed(self) -> float:
        """The share that another language than the current one must have."""
        if not self.is_settled:
            return SURE
        return SURE_OF_SWITCH if self.speech_ms >= SWITCH_MS else math.inf


UNKNOWN = Detection()
"""Nothing is known before."""


@dataclass(slots=True)
class LanguageChoice:
    """The language of one stream, utterance by utterance."""

    named: str
    """Whisper's code from the stream's config; DETECT: it is detected."""
    tag: str
    """What the config called it, for the answer."""
    among: Mapping[str, str] = field(default_factory=dict)
    """Whisper's codes that may be detected, with what the config calls them; empty: any."""
    current: str = DETECT
    """What was detected last, also in an earlier utterance."""
    is_sure: bool = False
    _is_settled: bool = field(default=False, init=False)

    @property
    def wanted(self) -> str:
        """The language to decode in; DETECT while it is not known."""
        return self.named or (self.current if self.is_sure else DETECT)

    @property
    def told(self) -> str:
        """The tag to answer with."""
        return self.among.get(self.current, self.tag or self.current)

    def detection(self, speech_ms: int) -> Detection:
        """Return what is known before `speech_ms` of speech are heard."""
        return Detection(tuple(self.among), self.current, self._is_settled, speech_ms)

    def next_utterance(self) -> None:
        """Detect anew: the caller may switch."""
        self.is_sure = False

    def learn(self, language: str, probability: float, heard_ms: int) -> None:
        """Take what was detected from `heard_ms` of speech."""
        if self.named or self.is_sure:
            return
        self.current = language
        self.is_sure = heard_ms >= SETTLED_MS or (heard_ms >= ENOUGH_MS and probability >= SURE)
        self._is_settled |= self.is_sure and bool(self.among)


def language_choice(language: str, languages: Sequence[str], known: Collection[str]) -> LanguageChoice:
    """Return how a stream's language is found: `language` and all that may be spoken, as BCP 47 tags.

    Of `languages`, those that the model lacks are left out. Raises InvalidInput where it lacks `language`.
    """
    code = whisper_code(language, known)
    among = {found: tag for tag in languages if (found := _code(tag, known)) in known}
    if len(among) < 2:
        return LanguageChoice(code, language)
    return LanguageChoice(DETECT, "", among, current=code)
