from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.audio import SAMPLE_RATES_HZ, AudioFormat
from services.tts.frames import EpochAudio

pytestmark = pytest.mark.unit


def sizes_ms(audio: EpochAudio, pcm_ms: int) -> list[int]:
    return [len(frame) // 32 for frame in audio.cut(bytes(pcm_ms * 32))]


def test_the_first_frame_of_an_attempt_is_small_and_the_later_ones_are_large() -> None:
    audio = EpochAudio(AudioFormat(16000), 400)
    assert sizes_ms(audio, 1000) == [20, 100, 400, 400, 80]
    assert sizes_ms(audio, 800) == [400, 400]


def test_a_short_rest_rides_along() -> None:
    assert sizes_ms(EpochAudio(AudioFormat(16000), 400), 150) == [20, 130]
    assert sizes_ms(EpochAudio(AudioFormat(16000), 400), 60) == [60]


def test_an_empty_piece_is_one_empty_frame_and_does_not_use_up_the_small_one() -> None:
    audio = EpochAudio(AudioFormat(16000), 400)
    assert list(audio.cut(b"")) == [b""]
    assert sizes_ms(audio, 500)[:2] == [20, 100]


def test_audio_is_counted_in_ms() -> None:
    audio = EpochAudio(AudioFormat(22050), 400)
    audio.count(2 * 22050)
    audio.count(2 * 11025)
    assert audio.audio_ms == 1500


@given(st.lists(st.integers(0, 40_000), max_size=6), st.sampled_from(SAMPLE_RATES_HZ), st.integers(20, 1000))
def test_frames_are_whole_samples_and_lose_nothing(pieces: list[int], rate_hz: int, max_frame_ms: int) -> None:
    audio = EpochAudio(AudioFormat(rate_hz), max_frame_ms)
    for samples in pieces:
        pcm = bytes(range(256)) * (samples // 128) + bytes(2 * (samples % 128))
        frames = list(audio.cut(pcm))
        assert b"".join(frames) == pcm
        assert all(len(frame) % 2 == 0 for frame in frames)
        assert all(frame for frame in frames) or frames == [b""]
