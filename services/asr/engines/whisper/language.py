"""Which language a stream is decoded in: named by its config, or detected anew in each utterance. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from services.common.errors import InvalidInput

DETECT = ""
SURE = 0.5
"""A detected language is believed from this probability on, as in Whisper's own long-form decoding."""
ENOUGH_MS = 1_000
"""Speech that must have been heard before a detected language holds for the rest of the utterance."""
_WHISPER_CODES = {"nb": "no", "iw": "he", "in": "id", "jv": "jw", "fil": "tl", "cmn": "zh", "sh": "sr"}
"""Subtags that Whisper knows by another code."""


def whisper_code(tag: str, known: Collection[str]) -> str:
    """Return Whisper's code for a BCP 47 tag; DETECT for none. Raises InvalidInput for one that the model lacks."""
    if not tag:
        return DETECT
    primary = tag.replace("_", "-").split("-")[0].lower()
    code = "yue" if tag.lower() in ("zh-hk", "zh-yue") and "yue" in known else _WHISPER_CODES.get(primary, primary)
    if code in known:
        return code
    if set(known) == {"en"}:
        raise InvalidInput(f"language {tag!r}: this model knows English only; load a multilingual one")
    raise InvalidInput(
        f"language {tag!r}: this recogniser takes one of {', '.join(sorted(known))}, or none to detect it"
    )


@dataclass(slots=True)
class LanguageChoice:
    """The language of one stream, utterance by utterance."""

    named: str
    """Whisper's code from the stream's config; DETECT: it is detected."""
    tag: str
    """What the config called it, for the answer."""
    current: str = DETECT
    """What was detected last, also in an earlier utterance."""
    is_sure: bool = False

    @property
    def wanted(self) -> str:
        """The language to decode in; DETECT while it is not known."""
        return self.named or (self.current if self.is_sure else DETECT)

    @property
    def told(self) -> str:
        """The tag to answer with."""
        return self.tag or self.current

    def next_utterance(self) -> None:
        """Detect anew: the caller may switch."""
        self.is_sure = False

    def learn(self, language: str, probability: float, heard_ms: int) -> None:
        """Take what was detected from `heard_ms` of speech."""
        if self.named or self.is_sure:
            return
        self.current = language
        self.is_sure = heard_ms >= ENOUGH_MS and probability >= SURE


def detected(probabilities: Mapping[str, float], allowed: Collection[str], previous: str) -> tuple[str, float]:
    """Return the language and its share of what is allowed; the previous one where no other is sure."""
    among = {code: share for code, share in probabilities.items() if code in allowed} or dict(probabilities)
    total = sum(among.values()) or 1.0
    best = max(among, key=lambda code: among[code])
    share = among[best] / total
    if share < SURE and previous in among:
        return previous, among[previous] / total
    return best, share
