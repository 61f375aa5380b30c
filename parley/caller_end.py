"""The caller's end of the line: what is heard, what was said, and what of it the server must be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from parley import events
from parley.measure import LatencyMeter
from parley.playback import PlaybackModel, Position
from parley.recording import CallRecording

PlaybackMode = Literal["clock", "device", "off"]


class CallerEnd:
    """Applies each event to the loudspeaker at once, measures, records. Times are samples since the call began."""

    def __init__(self, sample_rate_hz: int, mode: PlaybackMode, recording: CallRecording | None) -> None:
        self.playback = PlaybackModel(sample_rate_hz, recording.add_agent if recording else None)
        self.mode = mode
        self._recording = recording
        self._meter = LatencyMeter(sample_rate_hz)
        self._acknowledged: Position | None = None

    def sent(self, pcm: bytes, now: int) -> None:
        """Note what the caller said."""
        self._meter.sent(pcm, now)
        if self._recording is not None:
            self._recording.add_caller(now, pcm)

    def apply(self, event: events.Event, now: int) -> tuple[events.Event, Position | None]:
        """Do what the event asks. Returns it as the program shall see it, and a position to acknowledge at once."""
        position = None
        match event:
            case events.AgentAudio():
                event = self._hear(event, now)
            case events.PlaybackPaused():
                self.run_clock(now)
                self.playback.pause()
                position = self.playback.position
            case events.PlaybackResumed(turn_epoch=epoch, from_ms=from_ms):
                self.run_clock(now)
                self.playback.resume(epoch, from_ms)
            case events.PlaybackCleared(turn_epoch=epoch):
                self.run_clock(now)
                position = self.playback.position
                self.playback.clear(epoch)
            case events.TurnSummary(turn_epoch=epoch, user_text=said):
                event = replace(event, voice_to_voice_ms=self._meter.voice_to_voice_ms(epoch) if said else None)
        if position is not None and self.mode != "off":
            self._acknowledged = position
            return event, position
        return event, None

    def due_acknowledgement(self, now: int) -> Position | None:
        """Return how far the speaker has played, where that has changed since the last acknowledgement."""
        self.run_clock(now)
        position = self.playback.position
        if position == self._acknowledged or not position.played_ms:
            return None
        self._acknowledged = position
        return position

    def run_clock(self, now: int) -> None:
        """Play up to `now`, unless a sound card sets the pace."""
        if self.mode == "clock":
            self.playback.advance(now)

    def _hear(self, event: events.AgentAudio, now: int) -> events.AgentAudio:
        if self.mode != "off":
            self.run_clock(now)
            if not self.playback.push(event.turn_epoch, event.pcm):
                return replace(event, is_stale=True)
        if event.pcm and self._meter.agent_audio(event.turn_epoch, now):
            return replace(event, is_first=True)
        return event
