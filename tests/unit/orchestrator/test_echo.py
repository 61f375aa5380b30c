"""The agent's own voice told from the caller's, whatever the delay, the loudness and the room."""

from __future__ import annotations

import numpy as np
import pytest

from services.orchestrator.echo import AHEAD_MS, MAX_LAG_MS, EchoMemory, Likeness, Sound, compare, sound_of

pytestmark = pytest.mark.unit

RATE_HZ = 16000
PER_MS = RATE_HZ // 1000


def voice(seed: int, duration_ms: int, pitch_hz: float) -> Sound:
    """Return a buzz of drifting pitch in syllables, through three resonances that move, like a voice's."""
    chance = np.random.default_rng(seed)
    count = duration_ms * PER_MS
    seconds = np.arange(count) / RATE_HZ
    drift = np.interp(seconds, np.arange(0, 60, 0.15), pitch_hz * chance.uniform(0.8, 1.25, 400))
    phase = 2 * np.pi * np.cumsum(drift) / RATE_HZ
    sound = np.zeros(count)
    formants = [np.interp(seconds, np.arange(0, 60, 0.12), chance.uniform(low, high, 500)) for low, high in
                ((250, 800), (900, 1800))]  # fmt: skip
    for harmonic in range(1, 15):
        hz = harmonic * drift
        loud = sum(1 / (1 + ((hz - formant) / 120) ** 2) for formant in formants)
        sound += loud * np.sin(harmonic * phase + chance.uniform(0, 6))
    syllables = np.interp(seconds, np.arange(0, 60, 0.1), chance.uniform(0.1, 1, 600))
    sound = sound * syllables + 0.02 * chance.standard_normal(count)
    return np.asarray(0.1 * sound / sound.std())


def room(direct_db: float, seed: int = 3) -> Sound:
    """Return the answer of a room whose sound dies away in 0.3 s, `direct_db` under the direct sound."""
    count = 300 * PER_MS
    tail = np.random.default_rng(seed).standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    tail[: 2 * PER_MS] = 0
    tail *= 10 ** (-direct_db / 20) / np.sqrt(tail @ tail)
    tail[0] = 1
    return np.asarray(tail)


def sound(samples: Sound) -> Sound:
    return sound_of((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), RATE_HZ)


AGENT = voice(1, 4000, 120)
CALLER = voice(2, 4000, 200)
NOW_MS = 3000


def heard(lag_ms: int, duration_ms: int, gain: float = 0.3, answer: Sound | None = None) -> Sound:
    """Return what a microphone hears of the agent up to now, `lag_ms` after it is played."""
    end = (NOW_MS - lag_ms) * PER_MS
    echoed = np.convolve(AGENT[:end], np.ones(1) if answer is None else answer)[:end]
    return np.asarray(gain * echoed[-duration_ms * PER_MS :])


def compared(microphone: Sound, near_ms: float | None = None) -> Likeness | None:
    first_ms = NOW_MS - len(microphone) / PER_MS - MAX_LAG_MS
    played = AGENT[int(first_ms * PER_MS) : (NOW_MS + AHEAD_MS) * PER_MS]
    return compare(sound(microphone), sound(played), near_ms)


@pytest.mark.parametrize("lag_ms", [-40, 0, 35, 160, 480])
@pytest.mark.parametrize("gain", [0.02, 0.5, -0.9])
def test_an_echo_is_known_by_its_delay_whatever_its_loudness_and_sign(lag_ms: int, gain: float) -> None:
    found = compared(heard(lag_ms, 200, gain))
    assert found is not None
    assert found.lag_ms == pytest.approx(lag_ms, abs=1)
    assert found.explained > 0.95
    assert EchoMemory().is_echo(found)


@pytest.mark.parametrize("duration_ms", [160, 300, 500])
def test_an_echo_is_known_in_a_room_and_in_noise(duration_ms: int) -> None:
    echoed = heard(120, duration_ms, answer=room(6))
    noise = np.random.default_rng(9).standard_normal(len(echoed)) * echoed.std() * 10 ** (-12 / 20)
    found = compared(echoed + noise)
    assert found is not None
    assert found.lag_ms == pytest.approx(120, abs=3)
    assert EchoMemory().is_echo(found)


@pytest.mark.parametrize("duration_ms", [160, 300, 500])
@pytest.mark.parametrize("at_ms", range(0, 3000, 250))
def test_a_caller_is_no_echo(duration_ms: int, at_ms: int) -> None:
    found = compared(CALLER[at_ms * PER_MS : (at_ms + duration_ms) * PER_MS])
    assert found is not None
    assert not EchoMemory().is_echo(found)


def known_echo() -> EchoMemory:
    memory = EchoMemory()
    found = compared(heard(120, 300, answer=room(6)))
    assert found is not None
    memory.learn(found)
    return memory


def test_where_the_echo_is_known_it_is_looked_for_there_alone() -> None:
    memory = known_echo()
    assert memory.lag_ms == pytest.approx(120, abs=3)
    again = compared(heard(135, 160, 0.2, answer=room(6)), memory.lag_ms)
    assert again is not None
    assert memory.is_echo(again)
    elsewhere = compared(heard(300, 160, answer=room(6)), memory.lag_ms)
    assert elsewhere is not None
    assert not memory.is_echo(elsewhere)


@pytest.mark.parametrize("louder_db", [0, 6, 20])
def test_a_caller_over_the_echo_is_heard(louder_db: float) -> None:
    memory = known_echo()
    echoed = heard(120, 240, answer=room(6))
    spoken = CALLER[800 * PER_MS : 1040 * PER_MS]
    both = compared(echoed + spoken * 10 ** (louder_db / 20) * echoed.std() / spoken.std(), memory.lag_ms)
    assert both is not None
    assert memory.is_caller(both)


def test_echo_alone_and_faint_noise_in_its_pauses_are_no_caller() -> None:
    memory = known_echo()
    alone = compared(heard(120, 240, answer=room(6, seed=4)), memory.lag_ms)
    assert alone is not None
    assert not memory.is_caller(alone)
    hiss = np.random.default_rng(8).standard_normal(240 * PER_MS) * 0.002
    pause = compared(hiss, memory.lag_ms)
    assert pause is None or not memory.is_caller(pause)


def test_silence_is_compared_with_nothing() -> None:
    assert compared(np.zeros(200 * PER_MS)) is None
    quiet = np.zeros((200 + MAX_LAG_MS + AHEAD_MS) * PER_MS)
    assert compare(sound(heard(0, 200)), sound(quiet)) is None
    assert compare(sound(np.zeros(0)), sound(quiet)) is None
