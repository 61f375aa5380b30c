"""Whisper's log-mel spectrogram in numpy, as Smart Turn v3 expects it: 8 s at 16 kHz become 80 bands of 800 frames.

The figures (window 400, hop 160, 80 Slaney bands, floor 1e-10, 8 decades of range, zero mean and unit variance of the
padded waveform) are those of Whisper's feature extractor and of pipecat 1.14's Smart Turn analyser.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int16 = npt.NDArray[np.int16]

SAMPLE_RATE_HZ = 16000
WINDOW_S = 8
WINDOW_SAMPLES = WINDOW_S * SAMPLE_RATE_HZ
BANDS = 80
FRAMES = 800

_FFT = 400
_HOP = 160
_HALF = _FFT // 2
_BLOCK = 16
"""Frames a matrix product: so small that BLAS keeps to one thread. Its threads cost 20 times as much on busy cores."""
_FLOOR = 1e-10
_RANGE = 8.0
_VARIANCE_EPS = 1e-7
_BREAK_HZ, _BREAK_MEL, _LINEAR_HZ_PER_MEL = 1000.0, 15.0, 200.0 / 3.0
_LOG_STEP = np.log(6.4) / 27.0


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, above)


def mel_filters() -> Float32:
    """Return the triangular filters, `(80, 201)`: Slaney's scale from 0 to 8 kHz, each of area one."""
    top_hz = SAMPLE_RATE_HZ / 2
    top_mel = _BREAK_MEL + np.log(top_hz / _BREAK_HZ) / _LOG_STEP
    edges_hz = _mel_to_hz(np.linspace(0.0, top_mel, BANDS + 2))
    bins_hz = np.linspace(0.0, top_hz, _HALF + 1)
    left, centre, right = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - left) / (centre - left)
    falling = (right - bins_hz) / (right - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (right - left))
    return triangles.astype(np.float32)


_FILTERS = mel_filters()
_HANN = np.hanning(_FFT + 1)[:-1].astype(np.float32)


def log_mel(samples: Float32) -> Float32:
    """Return the features, `(80, 800)`, of the last 8 s of `samples` (16 kHz), padded with zeros on the left.

    Only frames that touch the samples are transformed: all frames of the padding are alike, so one stands for them.
    """
    samples = samples[-WINDOW_SAMPLES:]
    padding = WINDOW_SAMPLES - len(samples)
    mean = float(samples.sum(dtype=np.float64)) / WINDOW_SAMPLES
    mean_square = float(np.dot(samples, samples)) / WINDOW_SAMPLES
    scale = 1.0 / np.sqrt(max(mean_square - mean * mean, 0.0) + _VARIANCE_EPS)

    first_frame = max(0, (padding - _HALF) // _HOP) // _BLOCK * _BLOCK
    lead = padding + _HALF - first_frame * _HOP
    waveform = np.zeros(lead + len(samples) + _HALF, np.float32)
    waveform[lead : lead + len(samples)] = samples
    waveform -= np.float32(mean)
    waveform *= np.float32(scale)
    _reflect_edges(waveform, reflect_left=first_frame == 0)

    windows = np.lib.stride_tricks.sliding_window_view(waveform, _FFT)[: (FRAMES - first_frame) * _HOP : _HOP]
    spectrum = np.fft.rfft(windows * _HANN, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)
    bands = np.matmul(power.reshape(-1, _BLOCK, _HALF + 1), _FILTERS.T).reshape(-1, BANDS).T
    bands = np.log10(np.maximum(bands, np.float32(_FLOOR)))
    bands = (np.maximum(bands, bands.max() - np.float32(_RANGE)) + np.float32(4.0)) * np.float32(0.25)
    features = np.empty((BANDS, FRAMES), np.float32)
    features[:, :first_frame] = bands[:, :1]
    features[:, first_frame:] = bands
    return features


def _reflect_edges(waveform: Float32, *, reflect_left: bool) -> None:
    waveform[-_HALF:] = waveform[-_HALF - 2 : -2 * _HALF - 2 : -1]
    if reflect_left:
        waveform[:_HALF] = waveform[2 * _HALF : _HALF : -1]
