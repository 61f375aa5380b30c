"""What a caller and an operator of Parley use: an async SDK (`Conversation`), and the `parley` command.

Names are loaded on first use, so that `parley --help` needs neither gRPC nor numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parley import events
    from parley.client import Conversation
    from parley.directory import list_agents
    from parley.errors import CallError
    from parley.microphone import Microphone
    from parley.wav import read_wav

__version__ = "0.1.0"
__all__ = ["CallError", "Conversation", "Microphone", "__version__", "events", "list_agents", "read_wav"]

_HOME = {
    "CallError": "parley.errors",
    "Conversation": "parley.client",
    "Microphone": "parley.microphone",
    "read_wav": "parley.wav",
    "list_agents": "parley.directory",
}


def __getattr__(name: str) -> Any:
    if name == "events":
        return importlib.import_module("parley.events")
    if name not in _HOME:
        raise AttributeError(f"module 'parley' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
