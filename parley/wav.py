"""WAV files in and out, as mono PCM16 at any rate.

The standard library's reader refuses float samples and, in Python 3.11, extensible headers; so the reader is our own.
"""

from __future__ import annotations

import struct
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from parley.errors import AudioFileError
from services.common.audio import Float32, float_to_pcm

_EXTENSIBLE = 0xFFFE


@dataclass(frozen=True, slots=True)
class _Wav:
    encoding: int
    channels: int
    rate_hz: int
    bits: int
    data: bytes


def read_wav(path: Path, sample_rate_hz: int) -> bytes:
    """Return the file as mono PCM16 at `sample_rate_hz`: any rate, any number of channels, 8 to 32 bits or float.

    Raises AudioFileError that says what to do where the file is none of these.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise AudioFileError(f"{path}: no such file") from None
    except OSError as error:
        raise AudioFileError(f"{path}: {error.strerror}") from error
    try:
        wav = _parse(raw)
        samples = _to_float(wav)
    except (ValueError, struct.error) as error:
        reason = "the WAV header is broken" if isinstance(error, struct.error) else error
        raise AudioFileError(
            f"{path}: {reason}; convert it, such as by: ffmpeg -i {path.name} -ac 1 -c:a pcm_s16le call.wav"
        ) from error
    mono = samples.reshape(-1, wav.channels).mean(axis=1)
    if not len(mono):
        raise AudioFileError(f"{path}: the file holds no audio")
    if wav.rate_hz != sample_rate_hz:
        mono = soxr.resample(mono, wav.rate_hz, sample_rate_hz, quality="HQ")
    return float_to_pcm(mono.astype(np.float32))


def write_wav(path: Path, pcm: bytes, sample_rate_hz: int, channels: int = 1) -> None:
    """Write PCM16, channels interleaved, as a WAV file, making its folder. Raises AudioFileError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file, wave.open(file, "wb") as out:
            out.setnchannels(channels)
            out.setsampwidth(2)
            out.setframerate(sample_rate_hz)
            out.writeframes(pcm)
    except OSError as error:
        raise AudioFileError(f"{path} cannot be written: {error.strerror}") from error


def _parse(raw: bytes) -> _Wav:
    if len(raw) < 12 or raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    form: tuple[int, int, int, int] | None = None
    at = 12
    while at + 8 <= len(raw):
        name, size = raw[at : at + 4], struct.unpack_from("<I", raw, at + 4)[0]
        body = raw[at + 8 : at + 8 + size]  # a recorder that was cut off leaves a size beyond the end
        if name == b"fmt ":
            encoding, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
            if encoding == _EXTENSIBLE:
                encoding = struct.unpack_from("<H", body, 24)[0]
            form = (encoding, channels, rate_hz, bits)
        elif name == b"data":
            if form is None or not form[1] or not form[2]:
                raise ValueError("the WAV header is broken")
            frame_bytes = form[1] * form[3] // 8
            return _Wav(*form, body[: len(body) // frame_bytes * frame_bytes] if frame_bytes else b"")
        at += 8 + size + size % 2
    raise ValueError("the WAV file holds no audio")


def _to_float(wav: _Wav) -> Float32:
    match wav.encoding, wav.bits:
        case (1, 8):
            return (np.frombuffer(wav.data, dtype=np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
        case (1, 16):
            return np.frombuffer(wav.data, dtype="<i2").astype(np.float32) / np.float32(32768)
        case (1, 24):
            parts = np.frombuffer(wav.data, dtype=np.uint8).reshape(-1, 3).astype(np.int32)
            whole = (parts[:, 0] << 8) | (parts[:, 1] << 16) | (parts[:, 2] << 24)
            return whole.astype(np.float32) / np.float32(2**31)
        case (1, 32):
            return np.frombuffer(wav.data, dtype="<i4").astype(np.float32) / np.float32(2**31)
        case (3, 32):
            return np.frombuffer(wav.data, dtype="<f4").astype(np.float32)
        case _:
            raise ValueError(f"WAV encoding {wav.encoding} with {wav.bits} bits is not supported")
