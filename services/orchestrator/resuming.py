"""Where an agent that was paused goes on: with the word that was cut, or, after a while, with its clause. Pure."""

from __future__ import annotations

from services.orchestrator.playback import Playback
from services.orchestrator.timeline import Timeline

LONG_PAUSE_MS = 1_500
"""A pause from which a listener has lost the thread: the clause is said again, not the word alone."""

MOST_TIMES = 3
"""How often the same word is begun again: an agent that is paused in it again and again must come to its end."""


def restart_ms(playback: Playback, timeline: Timeline) -> int | None:
    """Return where in the turn's audio the paused `playback` goes on; None: where it stopped, for nothing was cut."""
    played_ms = playback.position_ms()
    choices = (True, False) if playback.paused_ms >= LONG_PAUSE_MS else (False,)
    for at_clause in choices:
        from_ms = int(timeline.restart_ms(played_ms, at_clause=at_clause))
        if played_ms - from_ms < 1 or playback.times_rewound_to(from_ms) >= MOST_TIMES:
            return None
        if playback.can_rewind_to(from_ms):
            return from_ms
    return None
