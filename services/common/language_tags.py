"""BCP 47 language tags. Pure."""

from __future__ import annotations


def primary_subtag(tag: str) -> str:
    """Return the language of a BCP 47 tag, without region or script: "en" of "en-US"."""
    return tag.partition("-")[0].lower()
