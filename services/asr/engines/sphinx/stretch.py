"""A stretch of speech on its way to words: the audio, where it lay in the utterance, and the passes that decode it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.asr.engines.sphinx.decoders import TYPICAL_CEPSTRUM, CepstralMean, Pass
from services.asr.engines.sphinx.gate import BYTES_PER_MS, GATE_FRAME_MS
from services.asr.engines.sphinx.noise import with_noise
from services.asr.engines.sphinx.reading import FRAME_MS, Reading, Segment, read_segments

RESTARTS_MS = (400, 700, 1100, 1700, 2500)
"""Where a new caller's stretches are decoded anew from the start, with the cepstral mean heard so far.

pocketsphinx keeps the mean it began with for 8 s; with the stretch's own a third of the errors is gone. Going back at
these points costs about as much again as the first pass, spread over the stretch, and nothing at its end.
"""
KNOWN_RESTARTS_MS = (600, 1300)
"""The same for a caller heard before: the mean is known roughly."""
GENERAL_RESTARTS_MS = (500, 1200)
"""The same for the general decoder, where a pass costs three times as much."""
LEAD_MS = 240
"""Audio in front of a stretch, from before speech was noticed."""
KNOWN_FRAMES = 300
"""With the mean of so many frames the caller is known and no restart is needed."""
PRIOR_FRAMES = 50
"""How many frames the typical mean counts for against the heard one."""


class VoiceMean:
    """What is known of a caller's cepstral mean: the typical one, drawn towards what was heard."""

    def __init__(self) -> None:
        self.known = CepstralMean(TYPICAL_CEPSTRUM, PRIOR_FRAMES)

    @property
    def is_settled(self) -> bool:
        """Whether enough was heard to leave it."""
        return self.known.frames >= KNOWN_FRAMES

    def learn(self, heard: CepstralMean | None) -> None:
        """Take in a stretch, once."""
        if heard is not None and not self.is_settled:
            self.known = self.known.joined(heard)


class Stretch:
    """Audio that counts as speech, with short pauses, and the map from it back to the utterance's clock."""

    def __init__(self, noise: float, lead: bytes, end_ms: float) -> None:
        self._noise = noise
        self.audio = bytearray()
        # Speech that begins with the first sample leaves the decoder nothing to begin in: it gets that much silence.
        missing_ms = max(0.0, LEAD_MS - len(lead) / BYTES_PER_MS)
        self._append(bytes(int(missing_ms) * BYTES_PER_MS))
        self._places = [(0.0, end_ms - LEAD_MS)]
        self.speech_ms = 0
        self.silence_ms = 0
        self.resume(lead, end_ms)

    @property
    def length_ms(self) -> float:
        """Audio in it."""
        return len(self.audio) / BYTES_PER_MS

    def resume(self, lead: bytes, end_ms: float) -> None:
        """Go on with `lead`, audio that ended at `end_ms` of the utterance and began just before speech."""
        self._places.append((self.length_ms, end_ms - len(lead) / BYTES_PER_MS))
        self._append(lead)
        self.silence_ms = 0

    def add(self, frame: bytes, is_speech: bool) -> None:
        """Add the next frame."""
        self._append(frame)
        if is_speech:
            self.speech_ms += GATE_FRAME_MS
            self.silence_ms = 0
        else:
            self.silence_ms += GATE_FRAME_MS

    def quiet(self, duration_ms: float) -> bytes:
        """Return that much of the noise floor alone, as it follows the audio."""
        return with_noise(bytes(int(duration_ms) * BYTES_PER_MS), len(self.audio) // 2, self._noise)

    def place_ms(self, frame: int) -> int:
        """Return where a decoder's frame lies in the utterance."""
        at_ms = min(float(frame * FRAME_MS), self.length_ms)
        begin_ms, there_ms = next(place for place in reversed(self._places) if place[0] <= at_ms)
        return max(0, round(there_ms + at_ms - begin_ms))

    def read(self, segments: list[Segment], is_complete: bool = True) -> Reading:
        """Return what a pass made of it."""
        return read_segments(segments, self.place_ms, self.speech_ms, is_complete)

    def _append(self, pcm: bytes) -> None:
        self.audio += with_noise(pcm, len(self.audio) // 2, self._noise)


class Follower:
    """A decoder that follows a stretch: fed piece by piece, begun anew where a better cepstral mean is known."""

    def __init__(
        self,
        stretch: Stretch,
        decoder: Any,
        give_back: Callable[[], None],
        mean: CepstralMean,
        restarts_ms: tuple[int, ...] = (),
    ) -> None:
        self._stretch = stretch
        self._decoder = decoder
        self._give_back = give_back
        self._known = mean
        self._restarts_ms = restarts_ms
        self._pass: Pass | None = Pass(decoder, mean.mean)
        self.heard: CepstralMean | None = None
        """The stretch's own cepstral mean, as far as it could be told."""

    @property
    def behind_bytes(self) -> int:
        """Audio of the stretch that is not decoded yet."""
        return len(self._stretch.audio) - self._running.fed_bytes

    def advance(self, limit_bytes: int) -> None:
        """Decode up to `limit_bytes` more."""
        running = self._running
        running.feed(bytes(self._stretch.audio[running.fed_bytes : running.fed_bytes + limit_bytes]))
        fed_ms = running.fed_bytes / BYTES_PER_MS
        if self._restarts_ms and fed_ms >= self._restarts_ms[0]:
            self._restarts_ms = tuple(ms for ms in self._restarts_ms if ms > fed_ms)
            self._begin_again()

    def segments(self) -> list[Segment]:
        """Return the best path so far; it need not be a whole sentence."""
        return self._running.segments()

    def conclude(self, tail: bytes) -> tuple[list[Segment], float, list[Segment], float]:
        """Feed `tail`, end, and give the decoder back.

        Returns the best path of all with its score, and the best path that is a whole sentence with its.
        """
        running = self._running
        self.heard = running.cepstral_mean() or self.heard
        running.feed(tail)
        open_end, open_score = running.segments(), running.log_score()
        running.end()
        whole, whole_score = running.segments(), running.log_score()
        self.close()
        return open_end, open_score, whole, whole_score

    def close(self) -> None:
        """End the pass and give the decoder back; a second time changes nothing."""
        if self._pass is not None:
            self._pass.end()
            self._pass = None
            self._give_back()

    @property
    def _running(self) -> Pass:
        if self._pass is None:
            raise AssertionError("a closed follower was used")
        return self._pass

    def _begin_again(self) -> None:
        heard = self._running.cepstral_mean()
        if heard is None:
            return
        fed = self._running.fed_bytes
        self.heard = heard
        self._running.end()
        self._pass = Pass(self._decoder, self._known.joined(heard).mean)
        self._pass.feed(bytes(self._stretch.audio[:fed]))
