"""When has the agent finished? Decided from what has arrived, so that a caller made of files knows when to speak."""

from __future__ import annotations

from parley import events

UNANSWERED_WAIT_MS = 10_000.0
"""After the caller's last word, how long an answer may take before the caller gives up on it. An unfinished sentence
alone holds the turn for up to 3 s."""


class QuietWatch:
    """Follows a call's events; tells whether the agent has finished and whether an answer is still to come."""

    def __init__(self) -> None:
        self._state = events.State.UNKNOWN
        self._last_ms = 0.0
        self._user_spoke_ms: float | None = None
        self.turns = 0
        """Turns that are complete."""

    def see(self, event: events.Event) -> None:
        """Take note of an event."""
        self._last_ms = event.at_ms
        match event:
            case events.StateChanged(state=state):
                self._state = state
            case events.Transcript(speaker=events.Speaker.USER, text=text) if text:
                self._user_spoke_ms = event.at_ms
            case events.TurnSummary():
                self.turns += 1
                if event.user_text and not event.interrupted:
                    self._user_spoke_ms = None

    def is_over(self, now_ms: float, *, is_playing: bool, quiet_ms: float) -> bool:
        """Return whether nothing sounds, nothing is being made and nothing has happened for `quiet_ms`.

        Words of the caller that are not answered yet keep it from being over, for a while.
        """
        if is_playing or self._state in (events.State.THINKING, events.State.SPEAKING, events.State.INTERRUPTED):
            return False
        if self._user_spoke_ms is not None and now_ms - self._user_spoke_ms < UNANSWERED_WAIT_MS:
            return False
        return now_ms - self._last_ms >= quiet_ms
