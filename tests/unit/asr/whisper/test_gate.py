"""Where there is speech, by level."""

from __future__ import annotations

import numpy as np
import pytest

from services.asr.engines.whisper.gate import FRAME_MS, PAUSE_MS, LevelGate
from services.common.audio import Float32, float_to_pcm, pcm_to_float
from tests.unit.asr.whisper.oracle import quiet, tone

pytestmark = pytest.mark.unit

FRAME = 16 * FRAME_MS


def noise(duration_ms: int, level: float) -> bytes:
    samples: Float32 = np.random.default_rng(3).standard_normal(16 * duration_ms).astype(np.float32)
    return float_to_pcm(samples * np.float32(level))


def over(*parts: bytes) -> LevelGate:
    gate = LevelGate()
    feed(gate, *parts)
    return gate


def feed(gate: LevelGate, *parts: bytes) -> None:
    gate.feed(pcm_to_float(b"".join(parts)).reshape(-1, FRAME))


def times(gate: LevelGate) -> list[tuple[int, int]]:
    return [(stretch.start_ms, stretch.end_ms) for stretch in gate.stretches]


def test_silence_and_faint_noise_are_no_speech() -> None:
    assert times(over(quiet(2000), noise(2000, 0.0005))) == []


def test_speech_is_found_with_its_edges() -> None:
    assert times(over(quiet(400), tone(600), quiet(400))) == [(400, 1000)]


def test_a_click_is_no_speech_before_or_after_a_word() -> None:
    click = tone(40, 0.9)
    assert times(over(quiet(400), click, quiet(400))) == []
    assert times(over(quiet(200), tone(600), quiet(300), click, quiet(300))) == [(200, 800)]


def test_a_short_pause_joins_and_a_long_one_parts() -> None:
    short, long = quiet(PAUSE_MS - 100), quiet(PAUSE_MS + 100)
    assert times(over(tone(400), short, tone(400))) == [(0, 1500)]
    assert times(over(tone(400), long, tone(400), quiet(200))) == [(0, 400), (1300, 1700)]


def test_steady_noise_stops_being_speech_once_it_is_known() -> None:
    gate = over(noise(5000, 0.02))
    assert all(end_ms <= 1100 for _, end_ms in times(gate))
    gate.reset()
    feed(gate, noise(1000, 0.02), tone(400, 0.3), noise(1000, 0.02))
    assert len(times(gate)) == 1
    start_ms, end_ms = times(gate)[0]
    assert abs(start_ms - 1000) <= FRAME_MS
    assert abs(end_ms - 1400) <= FRAME_MS


def test_what_is_far_below_the_callers_voice_is_not_speech() -> None:
    gate = over(tone(600, 0.5), tone(600, 0.005))
    assert times(gate) == [(0, 600)]


def test_the_quietest_place_between_two_words_is_found() -> None:
    gate = over(tone(400), quiet(40), tone(400))
    assert 400 <= gate.quietest_ms(200, 600) < 440
    assert gate.quietest_ms(5000, 5100) == 5000
