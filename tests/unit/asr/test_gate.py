"""The speech gate: a voice passes, nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

from services.asr.engines.sphinx.gate import GATE_FRAME_BYTES, SpeechGate, level_db
from services.asr.engines.sphinx.noise import NOISE_DB, noise_amplitude, with_noise
from services.common.audio import Float32, float_to_pcm
from tests.integration.turn.speech import say, silence

pytestmark = pytest.mark.unit

SECONDS = 3
TIME = np.arange(16000 * SECONDS) / 16000
RANDOM = np.random.default_rng(5)
WHITE = RANDOM.standard_normal(len(TIME))
SOUNDS = {
    "white noise": WHITE,
    "bursts of noise": WHITE * (np.sin(2 * np.pi * 1.5 * TIME) > 0.6),
    "coughs": WHITE * np.exp(-12 * (TIME % 1.0)),
    "clicks": (np.arange(len(TIME)) % 4000 == 0) * 20.0,
    "mains hum": np.sin(2 * np.pi * 50 * TIME) + 0.5 * np.sin(2 * np.pi * 150 * TIME),
    "tone": np.sin(2 * np.pi * 440 * TIME),
    "dialling": (np.sin(2 * np.pi * 697 * TIME) + np.sin(2 * np.pi * 1209 * TIME)) * (np.sin(4 * np.pi * TIME) > 0),
    "nothing": np.zeros(len(TIME)),
}


def heard_as_voice(pcm: bytes) -> bool:
    gate = SpeechGate()
    for at in range(0, len(pcm) - GATE_FRAME_BYTES + 1, GATE_FRAME_BYTES):
        gate.is_speech(pcm[at : at + GATE_FRAME_BYTES])
    return gate.evidence.is_voice


@pytest.mark.parametrize("level", [-50, -30, -15])
@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_are_no_voice(name: str, level: float) -> None:
    sound = SOUNDS[name]
    scaled: Float32 = (sound / max(1e-9, float(np.sqrt(np.mean(sound**2)))) * 10 ** (level / 20)).astype(np.float32)
    assert not heard_as_voice(float_to_pcm(scaled))


@pytest.mark.parametrize("voice", ["en-us", "en-us+f2", "en-us+m3"])
@pytest.mark.parametrize("text", ["yes", "no", "stop", "hello", "my name is maria gomez"])
def test_speech_is_a_voice(voice: str, text: str) -> None:
    assert heard_as_voice(silence(300) + say(text, 16000, voice) + silence(300))


def test_onset_needs_several_frames() -> None:
    gate = SpeechGate()
    pcm = silence(300) + say("hello", 16000)
    seen = []
    for at in range(0, len(pcm) - GATE_FRAME_BYTES + 1, GATE_FRAME_BYTES):
        gate.is_speech(pcm[at : at + GATE_FRAME_BYTES])
        seen.append(gate.has_onset)
    assert not any(seen[:12])
    assert any(seen)
    gate.clear()
    assert not gate.has_onset


def test_noise_is_faint_and_the_same_at_the_same_place() -> None:
    amplitude = noise_amplitude(-15.0)
    whole = with_noise(silence(500), 0, amplitude)
    assert with_noise(silence(200), 300 * 16, amplitude) == whole[300 * 32 :]
    assert abs(level_db(whole) - NOISE_DB) < 1


def test_noise_stays_below_quiet_speech() -> None:
    assert noise_amplitude(-45.0) < noise_amplitude(-15.0)
