"""When a caller of the measurements speaks: frames of 20 ms, decided by a seed. Pure.

The fake turn detector takes any sound for speech, announces the end of a turn at the first silent frame and ends it
after `END_FRAMES` of silence (40 ms) or what it is set to. The orchestrator forwards audio as soon as it completes one
of the detector's 32 ms frames, so of eight frames five cause a message. The last speech frame is placed such that the
last silent frame that is waited for is one of those: its sending is then what makes the detector decide, and no time
passes that a detector with 32 ms frames would not take as well. Where two silent frames travel together, transcript and
answer are made one after the other (IN_SERIES); where the first travels alone, 20 ms before or more, the transcript is
final by the time the turn ends (TRANSCRIPT_READY), as it is in a real call.

A caller who barges in does so after a part of the answer, by the same clock: the frames are the same whatever system
hears them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

FRAME_MS = 20
END_FRAMES = 2
"""Silence that ends a turn, unless the detector is set otherwise."""
SPEECH_FRAMES = (60, 100)
GAP_FRAMES = (20, 60)
"""Pause after the agent's answer."""
FIRST_TURN_FRAMES = (5, 200)
"""Silence before the first turn: callers do not begin together."""
BARGE_IN_FRAMES = (25, 55)
"""Of the answer's time, how much passes before the caller speaks over it."""
_CYCLE = 8


class Kind(Enum):
    """What a frame is to the turn detector."""

    SPEECH = "speech"
    SILENCE = "silence"
    IN_SERIES = "series"
    """The frame that ends a turn, together with the one before it."""
    TRANSCRIPT_READY = "ready"
    """The frame that ends a turn that a frame before it announced."""
    BARGE_IN = "barge_in"
    """The first frame of speech over the agent's answer."""


_PLACES = {Kind.IN_SERIES: (2, 4, 7), Kind.TRANSCRIPT_READY: (5, 0)}


@dataclass(frozen=True, slots=True)
class Habits:
    """How a caller talks."""

    reply_ms: int
    """How long the agent's answer lasts."""
    barge_in_share: float = 0.0
    """Of the answers, how many are spoken over."""
    end_frames: int = END_FRAMES
    """Silent frames that end a turn; beyond END_FRAMES every turn is announced long before."""


def rhythm(seed: int, habits: Habits) -> Iterator[Kind]:
    """Yield a caller's frames for ever: a turn every 3.2 to 4.8 s where the agent's answer lasts 1.6 s."""
    chance = random.Random(seed)
    opening = Kind.SPEECH
    number = 0
    for _ in range(chance.randint(*FIRST_TURN_FRAMES)):
        number += 1
        yield Kind.SILENCE
    while True:
        ending = chance.choice((Kind.IN_SERIES, Kind.TRANSCRIPT_READY))
        speech = chance.randint(*SPEECH_FRAMES)
        if habits.end_frames != END_FRAMES:
            ending = Kind.TRANSCRIPT_READY
        while (number + speech + habits.end_frames) % _CYCLE not in _PLACES[ending]:
            speech += 1
        silence = habits.reply_ms // FRAME_MS + chance.randint(*GAP_FRAMES)
        barges_in = habits.barge_in_share > 0 and chance.random() < habits.barge_in_share
        if barges_in:
            silence = chance.randint(*BARGE_IN_FRAMES)
        number += speech + habits.end_frames + silence
        yield opening
        yield from (Kind.SPEECH for _ in range(speech - 1))
        yield from (Kind.SILENCE for _ in range(habits.end_frames - 1))
        yield ending
        yield from (Kind.SILENCE for _ in range(silence))
        opening = Kind.BARGE_IN if barges_in else Kind.SPEECH
