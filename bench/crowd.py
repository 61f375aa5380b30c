"""Who calls, when they hang up and how late their packets come, decided by a seed. Pure."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.rhythm import FRAME_MS, Habits, Kind, rhythm

Lateness = Literal["none", "jitter", "bursts"]
JITTER_MS = 15.0
"""jitter: a frame comes up to this much late, and never before the one before it."""
BURST_EVERY_FRAMES = (100, 300)
BURST_FRAMES = (3, 15)
"""bursts: every 2 to 6 s, 60 to 300 ms of audio are held back and come at once."""
CALL_S = (8.0, 25.0)
"""How long a call of a caller who hangs up lasts."""
REST_S = (0.5, 2.0)
"""How long a caller waits before calling again, after hanging up or being refused."""
_APART = 1_000_003
_VISITS_APART = 7919


@dataclass(frozen=True, slots=True)
class Manners:
    """What the callers of one run do besides talking."""

    habits: Habits
    hangs_up: bool = False
    lateness: Lateness = "none"


@dataclass(frozen=True, slots=True)
class Visit:
    """One call of a caller."""

    frames: Iterator[Kind]
    """What is said, frame by frame; it ends where the caller hangs up, in the middle of whatever is going on."""
    late_ms: Iterator[float]
    """For each frame, how much after its time it is sent."""
    is_polite: bool
    """Whether the caller ends the call, rather than breaking the connection."""
    rest_s: float
    """Pause before the next call."""


def visits(seed: int, manners: Manners) -> Iterator[Visit]:
    """Yield one caller's calls, for ever; a caller who never hangs up makes a single one that has no end."""
    chance = random.Random(seed * _APART)
    for number in itertools.count():
        frames = rhythm(seed + number * _VISITS_APART, manners.habits)
        if manners.hangs_up:
            frames = itertools.islice(frames, round(chance.uniform(*CALL_S) * 1000 / FRAME_MS))
        late_ms = lateness(seed + number * _VISITS_APART, manners.lateness)
        yield Visit(frames, late_ms, is_polite=chance.random() < 0.5, rest_s=chance.uniform(*REST_S))


def lateness(seed: int, pattern: Lateness) -> Iterator[float]:
    """Yield how late each frame is sent, in ms. Frames keep their order: the sender sends one after the other."""
    chance = random.Random(seed * _APART + 1)
    match pattern:
        case "none":
            yield from itertools.repeat(0.0)
        case "jitter":
            while True:
                yield chance.uniform(0.0, JITTER_MS)
        case "bursts":
            while True:
                yield from itertools.repeat(0.0, chance.randint(*BURST_EVERY_FRAMES))
                held = chance.randint(*BURST_FRAMES)
                yield from (float(left * FRAME_MS) for left in range(held, 0, -1))
