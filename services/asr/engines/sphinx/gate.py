"""The speech gate: which frames may become words at all. Silence and steady noise never reach a decoder."""

from __future__ import annotations

from collections import deque

import numpy as np
from pocketsphinx import Vad

from services.common.audio import BYTES_PER_SAMPLE, Float32

SAMPLE_RATE_HZ = 16_000
BYTES_PER_MS = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE // 1000
GATE_FRAME_MS = 30
GATE_FRAME_BYTES = GATE_FRAME_MS * BYTES_PER_MS
ONSET_FRAMES = 3
"""Speech has begun when this many of the last `ONSET_WINDOW` frames are speech."""
ONSET_WINDOW = 5
QUIETEST_DB = -58.0
"""Below this level nothing is speech: recorded speech peaks above -40 dBFS, line noise lies below."""
BELOW_PEAK_DB = 30.0
"""Nothing that much quieter than the stream's loudest speech is speech: breath, room, the far end of a fade."""


def level_db(pcm: bytes) -> float:
    """Return the level of PCM16 samples in dB relative to full scale."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    power = float(np.mean(samples * samples)) if len(samples) else 0.0
    return 10 * float(np.log10(max(power, 1e-4) / 32768**2))


EVIDENCE_FRAMES = 100
VOICED_HARMONICITY = 0.6
MIN_VOICED_FRAMES = 4
MIN_VOICED_SHARE = 0.15
MIN_FLUX_DB = 1.2
_WINDOW: Float32 = np.hanning(GATE_FRAME_BYTES // BYTES_PER_SAMPLE).astype(np.float32)
_WINDOW_AUTOCORRELATION = np.fft.irfft(np.abs(np.fft.rfft(_WINDOW, 1024)) ** 2)
_PITCH_LAGS = slice(SAMPLE_RATE_HZ // 400, SAMPLE_RATE_HZ // 70)
_BAND_EDGES = 2 * np.unique(np.geomspace(4, 230, 17).astype(int))
"""Bins of a 1024-point transform, 125 Hz to 7.2 kHz, evenly spaced in pitch."""


class VoiceEvidence:
    """Whether what the detector calls speech is a voice: it has a pitch, and its spectrum moves.

    Noise, breath and coughs have no pitch; hums, tones and dialled digits have one and stand still. The recogniser
    itself cannot tell: noise fits some word better than speech does. Whispering does not pass, either.
    """

    def __init__(self) -> None:
        self._voiced: deque[bool] = deque(maxlen=EVIDENCE_FRAMES)
        self._flux_db: deque[float] = deque(maxlen=EVIDENCE_FRAMES)
        self._last_bands: Float32 | None = None

    def add(self, frame: bytes, is_speech: bool) -> None:
        """Take in a frame; only those called speech count."""
        if not is_speech:
            self._last_bands = None
            return
        samples = np.frombuffer(frame, dtype="<i2").astype(np.float32)
        power = np.abs(np.fft.rfft((samples - samples.mean()) * _WINDOW, 1024)) ** 2
        correlation = np.fft.irfft(power)[_PITCH_LAGS] / np.maximum(_WINDOW_AUTOCORRELATION[_PITCH_LAGS], 1e-6)
        energy = float(power[0] + 2 * power[1:-1].sum() + power[-1]) / 1024 / float(_WINDOW_AUTOCORRELATION[0])
        self._voiced.append(float(correlation.max()) > VOICED_HARMONICITY * max(energy, 1e-6))
        bands = (10 * np.log10(np.add.reduceat(power, _BAND_EDGES)[:-1] + 1e3)).astype(np.float32)
        bands -= bands.mean()
        if self._last_bands is not None:
            self._flux_db.append(float(np.abs(bands - self._last_bands).mean()))
        self._last_bands = bands

    @property
    def is_voice(self) -> bool:
        """The verdict on the latest `EVIDENCE_FRAMES` frames of speech."""
        voiced = sum(self._voiced)
        if voiced < max(MIN_VOICED_FRAMES, MIN_VOICED_SHARE * len(self._voiced)) or not self._flux_db:
            return False
        return float(np.median(self._flux_db)) >= MIN_FLUX_DB


class SpeechGate:
    """WebRTC's voice activity detector (inside pocketsphinx) joined with two level rules, frame by frame."""

    def __init__(self) -> None:
        self._vad = Vad(Vad.STRICT, SAMPLE_RATE_HZ, GATE_FRAME_MS / 1000)
        self._recent: deque[bool] = deque(maxlen=ONSET_WINDOW)
        self.peak_db = QUIETEST_DB
        self.evidence = VoiceEvidence()

    def is_speech(self, frame: bytes) -> bool:
        """Classify one frame of `GATE_FRAME_BYTES`."""
        voiced = bool(self._vad.is_speech(frame))
        level = level_db(frame)
        speech = voiced and level > max(QUIETEST_DB, self.peak_db - BELOW_PEAK_DB)
        if speech:
            self.peak_db = max(level, self.peak_db)
        self._recent.append(speech)
        self.evidence.add(frame, speech)
        return speech

    @property
    def has_onset(self) -> bool:
        """Whether the latest frames together are the beginning of speech."""
        return sum(self._recent) >= ONSET_FRAMES

    def clear(self) -> None:
        """Forget the latest frames, so that the next onset must be a new one."""
        self._recent.clear()
