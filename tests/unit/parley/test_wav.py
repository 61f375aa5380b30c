from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from parley.errors import AudioFileError
from parley.wav import read_wav, write_wav

pytestmark = pytest.mark.unit

RATE = 16000
Floats = npt.NDArray[np.float64]


def sine(rate_hz: int, seconds: float = 0.5) -> Floats:
    return 0.5 * np.sin(2 * np.pi * 300 * np.arange(round(rate_hz * seconds)) / rate_hz)


def riff(tag: int, channels: int, rate_hz: int, bits: int, data: bytes, extra: bytes = b"") -> bytes:
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame, frame, bits) + extra
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def encode(samples: Floats, tag: int, bits: int) -> bytes:
    if tag == 3:
        return samples.astype("<f4").tobytes()
    if bits == 8:
        return (samples * 127 + 128).astype(np.uint8).tobytes()
    if bits == 24:
        whole = (samples * (2**23 - 1)).astype("<i4")
        low: bytes = whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        return low
    pcm: bytes = (samples * (2 ** (bits - 1) - 1)).astype(f"<i{bits // 8}").tobytes()
    return pcm


@pytest.mark.parametrize(("tag", "bits"), [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32)])
@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 1), (16000, 2), (44100, 2), (48000, 1)])
def test_any_rate_width_and_channel_count_becomes_mono_16_bit(
    tmp_path: Path, tag: int, bits: int, rate_hz: int, channels: int
) -> None:
    path = tmp_path / "in.wav"
    path.write_bytes(riff(tag, channels, rate_hz, bits, encode(np.repeat(sine(rate_hz), channels), tag, bits)))
    samples = np.frombuffer(read_wav(path, RATE), dtype="<i2") / 32768
    assert len(samples) == pytest.approx(RATE / 2, abs=2)
    inner = slice(800, -800)
    assert np.max(np.abs(samples[inner] - sine(RATE)[: len(samples)][inner])) < 0.02


def test_an_extensible_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    extra = struct.pack("<HHI", 22, 16, 0) + struct.pack("<H", 1) + bytes(14)
    path.write_bytes(riff(0xFFFE, 1, RATE, 16, encode(sine(RATE), 1, 16), extra))
    assert len(read_wav(path, RATE)) == RATE


def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    path.write_bytes(riff(1, 1, RATE, 16, encode(sine(RATE), 1, 16))[:-101])
    assert len(read_wav(path, RATE)) == RATE - 102


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", b"ID3 this is an mp3 of some sort", riff(1, 1, RATE, 16, b""), riff(85, 1, RATE, 0, b"mp3")],
    ids=["empty", "short", "mp3", "no audio", "mp3 in wav"],
)
def test_what_is_no_wav_is_refused_with_advice(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "in.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=r"in\.wav"):
        read_wav(path, RATE)


def test_a_header_that_is_cut_off_is_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0")
    with pytest.raises(AudioFileError, match="the WAV header is broken"):
        read_wav(path, RATE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="no such file"):
        read_wav(tmp_path / "absent.wav", RATE)


def test_written_and_read_is_the_same(tmp_path: Path) -> None:
    pcm = encode(sine(RATE), 1, 16)
    write_wav(tmp_path / "made" / "out.wav", pcm, RATE)
    assert read_wav(tmp_path / "made" / "out.wav", RATE) == pcm
