"""Audio formats, chunks and resampling."""

from __future__ import annotations

import numpy as np
import pytest

from services.common import audio
from services.common.errors import InvalidInput

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("rate", "encoding", "told"),
    [(16000, 0, "PCM_S16LE"), (16000, 9, "PCM_S16LE"), (0, 1, "16000"), (11025, 1, "16000")],
)
def test_an_unknown_format_is_refused_with_what_to_send(rate: int, encoding: int, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        audio.check_format(rate, encoding)


def test_odd_bytes_and_long_chunks_are_refused() -> None:
    narrow = audio.AudioFormat(8000)
    audio.check_pcm(bytes(2 * 8000 * 5), narrow)
    with pytest.raises(InvalidInput, match="even"):
        audio.check_pcm(bytes(321), narrow)
    with pytest.raises(InvalidInput, match="5000 ms"):
        audio.check_pcm(bytes(2 * 8000 * 5 + 2), narrow)


def test_durations_and_byte_counts_are_inverse() -> None:
    for rate in audio.SAMPLE_RATES_HZ:
        wave = audio.AudioFormat(rate)
        assert wave.duration_ms(wave.byte_count(1000)) == 1000
        assert wave.byte_count(20) % 2 == 0


def test_full_scale_survives_the_way_through_float() -> None:
    pcm = np.array([-32768, -1, 0, 1, 32767], dtype="<i2").tobytes()
    assert audio.float_to_pcm(audio.pcm_to_float(pcm)) == pcm
    assert audio.float_to_pcm(np.array([2.0, -2.0], np.float32)) == np.array([32767, -32768], "<i2").tobytes()


def test_a_tone_resampled_in_chunks_keeps_its_length_and_loudness() -> None:
    rate = 24000
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype("<i2").tobytes()
    resampler = audio.StreamResampler(rate, 16000)
    chunks = [tone[start : start + 960] for start in range(0, len(tone), 960)]
    out = b"".join(resampler.process(chunk, last=chunk is chunks[-1]) for chunk in chunks)
    samples = np.frombuffer(out, "<i2")
    assert abs(len(samples) - 16000) <= 2
    assert np.sqrt(np.mean(samples[2000:-2000].astype(float) ** 2)) == pytest.approx(8000 / np.sqrt(2), rel=0.01)


def test_equal_rates_pass_through_untouched() -> None:
    pcm = bytes(range(200))
    assert audio.StreamResampler(16000, 16000).process(pcm) is pcm
