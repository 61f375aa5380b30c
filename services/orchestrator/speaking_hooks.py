"""What the agent's side of a call needs from its session, and tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from voice.common.v1 import common_pb2

from services.orchestrator import events as ev
from services.orchestrator.latency import Line
from services.orchestrator.reply import Reply
from services.orchestrator.stages.stream import StageError


@dataclass(frozen=True, slots=True)
class SpeakingHooks:
    """What speaking needs and tells. All run on the event loop."""

    dispatch: Callable[[ev.Event], None]
    send: Callable[[bytes], None]
    spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
    agent_speaks: Callable[[bool, int, str], None]
    """(whether its voice is heard from now on, epoch, what the caller heard of it where it falls silent)"""
    info: Callable[[str, common_pb2.EngineInfo], None]
    changed: Callable[[], None]
    """The history changed: keep it."""
    summarised: Callable[[Reply, Sequence[Line], float], None]
    """A turn is complete: its lines, and their sum where it answered speech."""
    failed: Callable[[StageError], None]
    """A stage failed: tell the caller."""
    on_gave_up: Callable[[StageError], None]
