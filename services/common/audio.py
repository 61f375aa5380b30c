"""Audio as the services exchange it: mono 16-bit PCM at the caller's rate, resampled where a model needs another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from services.common.errors import InvalidInput

Float32 = npt.NDArray[np.float32]
Int16 = npt.NDArray[np.int16]

BYTES_PER_SAMPLE = 2
SAMPLE_RATES_HZ = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
PCM_S16LE = 1
"""Value of voice.common.v1.AUDIO_ENCODING_PCM_S16LE (this module knows no protobuf)."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Format of one stream's audio: mono PCM16 at a sample rate."""

    sample_rate_hz: int

    def duration_ms(self, pcm_bytes: int) -> float:
        """Return how long `pcm_bytes` of audio last."""
        return pcm_bytes * 1000 / (BYTES_PER_SAMPLE * self.sample_rate_hz)

    def byte_count(self, duration_ms: float) -> int:
        """Return the bytes of `duration_ms` of audio, rounded to whole samples."""
        return BYTES_PER_SAMPLE * round(duration_ms * self.sample_rate_hz / 1000)


def check_format(sample_rate_hz: int, encoding: int) -> AudioFormat:
    """Validate a format as it came over the wire. Raises InvalidInput that names what is accepted."""
    if encoding != PCM_S16LE:
        raise InvalidInput(f"audio encoding {encoding} is not supported: send AUDIO_ENCODING_PCM_S16LE, mono")
    if sample_rate_hz not in SAMPLE_RATES_HZ:
        raise InvalidInput(f"sample_rate_hz {sample_rate_hz} is not supported: send one of {SAMPLE_RATES_HZ}")
    return AudioFormat(sample_rate_hz)


def check_pcm(pcm: bytes, audio_format: AudioFormat, max_chunk_ms: int = 5000) -> None:
    """Validate one audio chunk. Raises InvalidInput for an odd byte count or a chunk over `max_chunk_ms`."""
    if len(pcm) % BYTES_PER_SAMPLE:
        raise InvalidInput(f"audio chunk of {len(pcm)} bytes: PCM16 samples are 2 bytes, so the count must be even")
    if audio_format.duration_ms(len(pcm)) > max_chunk_ms:
        raise InvalidInput(
            f"audio chunk of {audio_format.duration_ms(len(pcm)):.0f} ms: send at most {max_chunk_ms} ms"
        )


def pcm_to_float(pcm: bytes) -> Float32:
    """Return PCM16 bytes as float32 samples in [-1, 1)."""
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768)


def float_to_pcm(samples: Float32) -> bytes:
    """Return float32 samples as PCM16 bytes, clipped."""
    return np.clip(samples * 32768, -32768, 32767).astype("<i2").tobytes()


class StreamResampler:
    """Resamples one stream of PCM16 chunk by chunk; passes bytes through untouched where the rates are equal."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="LQ")

    def process(self, pcm: bytes, last: bool = False) -> bytes:
        """Return what `pcm` yields at the new rate; a little stays inside until `last`."""
        if self._stream is None:
            return pcm
        resampled: bytes = self._stream.resample_chunk(np.frombuffer(pcm, dtype="<i2"), last=last).tobytes()
        return resampled
