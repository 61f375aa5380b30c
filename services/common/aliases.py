"""Names that clients use, and what a stage takes them for: so an agent need not change when a stage is swapped."""

from __future__ import annotations

from collections.abc import Mapping

OTHERS = "*"


def resolve(aliases: Mapping[str, str], name: str) -> str:
    """Return what `name` stands for: its entry, else that of "*", else itself. An empty name asks for the default."""
    return aliases.get(name, aliases.get(OTHERS, name)) if name else name
