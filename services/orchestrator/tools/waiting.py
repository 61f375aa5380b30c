"""Waiting for tools without silence: fillers, said while a tool runs and the caller hears nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.common import metrics
from services.orchestrator.agent import Agent
from services.orchestrator.playback import Playback
from services.orchestrator.reply import Reply

GROWTH = 1.5
"""Each silence between two fillers is this much longer than the one before: what is said often is not listened to."""
MAX_EVERY_MS = 15_000
"""The longest silence between two fillers; below the 20 s after which audio that does not go on counts as stalled."""
LOOK_AGAIN_MS = 100.0
"""While it cannot be known when all is heard: playback is paused, or a phrase is being synthesised."""
MIN_LEFT_MS = 20.0


@dataclass(frozen=True, slots=True)
class Pace:
    """When fillers are said, in ms of silence."""

    after_ms: int
    """Before the first."""
    every_ms: int
    """Before the second."""


@dataclass(frozen=True, slots=True)
class Mouth:
    """How a filler is said as part of a reply. All run on the event loop."""

    left_ms: Callable[[], float]
    """How long it takes at least until the caller has heard all that the reply has said; 0: it is quiet."""
    say: Callable[[str], None]


class Fillers:
    """The fillers of one call: each wording is said again only after all others that fit."""

    def __init__(self, agent: Callable[[], Agent], pace: Pace) -> None:
        """`agent`: as it speaks now."""
        self._agent = agent
        self._pace = pace
        self._last: dict[str, int] = {}
        """By wording: the number of the filler that was last in these words."""

    async def wait(self, tasks: Mapping[asyncio.Task[None], str], mouth: Mouth) -> None:
        """Wait for tasks, given with their tools' names, and say fillers meanwhile. It leaves the tasks running."""
        pending = set(tasks)
        silence_ms = float(self._pace.after_ms)
        next_ms = float(self._pace.every_ms)
        said: set[str] = set()
        while pending:
            left_ms = mouth.left_ms()
            _, pending = await asyncio.wait(pending, timeout=(left_ms or silence_ms) / 1000)
            if not pending or left_ms or mouth.left_ms():
                continue  # silence begins when all is heard
            text = self._next(next(name for task, name in tasks.items() if task in pending), said)
            if text is None:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                continue
            said.add(text)
            metrics.TOOL_FILLERS.add(1)
            mouth.say(text)
            silence_ms, next_ms = next_ms, min(next_ms * GROWTH, MAX_EVERY_MS)

    def _next(self, tool: str, said: set[str]) -> str | None:
        """Return the next wording for a tool; `said`: in this wait. None: it has none."""
        agent = self._agent()
        own, shared = agent.tool_fillers(tool), agent.waiting_words
        if own == ():
            return None
        fresh = [text for text in own or () if text not in said] or [text for text in shared if text not in said]
        wordings = fresh or [*(own or ()), *shared]
        if not wordings:
            return None
        text = min(wordings, key=lambda text: self._last.get(text, 0))
        self._last[text] = max(self._last.values(), default=0) + 1
        return text


def left_ms(reply: Reply, playback: Playback) -> float:
    """Return how long it takes at least until all that `reply` has said is heard; 0: nothing is left to be heard."""
    if playback.is_paused or reply.is_synthesising:
        return LOOK_AGAIN_MS
    unheard_ms = reply.timeline.audio_ms - playback.position_ms()
    return max(unheard_ms, MIN_LEFT_MS) if unheard_ms >= 1 else 0.0
