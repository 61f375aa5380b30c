"""When a caller of the orchestration measurement speaks: frames of 20 ms, decided by a seed. Pure.

The fake turn detector takes any sound for speech, announces the end of a turn at the first silent frame and ends it at
the second (40 ms). The orchestrator forwards audio as soon as it completes one of the detector's 32 ms frames, so of
eight frames five cause a message. The last speech frame is placed such that the second silent frame is one of those:
its sending is then what makes the detector decide, and no time passes that a detector with 32 ms frames would not take
as well. Where the two silent frames travel together, transcript and answer are made one after the other (IN_SERIES);
where the first travels alone, 20 ms before, the transcript is final by the time the turn ends (TRANSCRIPT_READY), as it
is in a real call.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import Enum

FRAME_MS = 20
SPEECH_FRAMES = (60, 100)
GAP_FRAMES = (20, 60)
"""Pause after the agent's answer."""
FIRST_TURN_FRAMES = (5, 200)
"""Silence before the first turn: callers do not begin together."""
_CYCLE = 8
_PLACES = {"series": (2, 4, 7), "ready": (5, 0)}


class Kind(Enum):
    """What a frame is to the turn detector."""

    SPEECH = "speech"
    SILENCE = "silence"
    IN_SERIES = "series"
    """The frame that ends a turn, together with the one before it."""
    TRANSCRIPT_READY = "ready"
    """The frame that ends a turn that the frame before it announced."""


def rhythm(seed: int, reply_ms: int) -> Iterator[Kind]:
    """Yield a caller's frames for ever: a turn every 3.2 to 4.8 s where the agent's answer lasts 1.6 s."""
    chance = random.Random(seed)
    number = 0
    for _ in range(chance.randint(*FIRST_TURN_FRAMES)):
        number += 1
        yield Kind.SILENCE
    while True:
        ending = chance.choice((Kind.IN_SERIES, Kind.TRANSCRIPT_READY))
        speech = chance.randint(*SPEECH_FRAMES)
        while (number + speech + 2) % _CYCLE not in _PLACES[ending.value]:
            speech += 1
        silence = reply_ms // FRAME_MS + chance.randint(*GAP_FRAMES)
        number += speech + 2 + silence
        yield from (Kind.SPEECH for _ in range(speech))
        yield Kind.SILENCE
        yield ending
        yield from (Kind.SILENCE for _ in range(silence))
