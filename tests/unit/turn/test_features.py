"""The log-mel spectrogram against faster-whisper's, which Smart Turn was measured with."""

from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from services.turn.features import WINDOW_SAMPLES, Float32, log_mel

pytestmark = pytest.mark.unit


def voice_like(count: int) -> Float32:
    random = np.random.default_rng(7)
    envelope = np.abs(np.sin(np.arange(count) / 9000))
    return (random.standard_normal(count) * 0.1 * envelope + 0.02).astype(np.float32)


def reference(samples: Float32) -> Float32:
    padded = np.pad(samples[-WINDOW_SAMPLES:], (max(0, WINDOW_SAMPLES - len(samples)), 0))
    normalised = (padded - padded.mean()) / np.sqrt(padded.var() + 1e-7)
    features: Float32 = FeatureExtractor(feature_size=80, chunk_length=8)(normalised, padding=0)
    return features


@pytest.mark.parametrize("count", [300, 512, 16_000, 100_000, 127_801, 127_900, 128_000, 200_000])
def test_equals_the_reference_for_every_amount_of_padding(count: int) -> None:
    samples = voice_like(count)
    np.testing.assert_allclose(log_mel(samples), reference(samples), atol=2e-5)


def test_digital_silence_is_finite() -> None:
    features = log_mel(np.zeros(16_000, np.float32))
    assert features.shape == (80, 800)
    assert np.isfinite(features).all()
