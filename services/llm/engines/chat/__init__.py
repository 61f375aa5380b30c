"""What engines share that see the conversation itself: prompts from a chat template, and the reading of replies."""

from __future__ import annotations


def language_instruction(language: str) -> str:
    """Return what a model is told about the language to answer in, a BCP 47 tag."""
    return f"Answer in the language with the BCP 47 tag {language}."
