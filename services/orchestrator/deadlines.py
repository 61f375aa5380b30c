"""How long each state of a conversation may last without progress."""

from __future__ import annotations

from dataclasses import dataclass

from services.orchestrator.events import Watchdog


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each state may last without progress, and how often to try before giving up."""

    idle_ms: int = 20_000
    utterance_ms: int = 8_000
    transcript_ms: int = 1_500
    reply_ms: int = 6_000
    stall_ms: int = 20_000
    judgement_ms: int = 2_500
    cancellation_ms: int = 500
    max_idle_prompts: int = 2
    max_failures: int = 3
    unheard_speech_ms: int = 700
    """Speech without words that lasted at least this long is asked after; anything shorter was a noise."""
    max_unheard: int = 2

    def of(self, watchdog: Watchdog) -> int:
        """Return the deadline of `watchdog` in milliseconds."""
        value: int = getattr(self, f"{watchdog.value}_ms")
        return value
