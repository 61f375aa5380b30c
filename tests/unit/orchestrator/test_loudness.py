"""How loud a caller's sound is beside the noise of the line and the caller's own voice."""

from __future__ import annotations

import numpy as np
import pytest

from services.orchestrator.loudness import Loudness, Sound

pytestmark = pytest.mark.unit

RATE_HZ = 16000


class Line:
    """White noise of given levels, in chunks of 20 ms."""

    def __init__(self) -> None:
        self.loudness = Loudness()
        self._noise = np.random.default_rng(3)

    def hear(self, level_dbfs: float, duration_ms: int = 20) -> list[Sound]:
        heard = []
        for _ in range(duration_ms // 20):
            samples = self._noise.normal(0, 32768 * 10 ** (level_dbfs / 20), RATE_HZ // 50)
            heard.append(self.loudness.take(np.clip(samples, -32768, 32767).astype("<i2").tobytes(), 20.0))
        return heard


def test_digital_silence_is_quiet_from_the_start() -> None:
    assert Loudness().take(bytes(640), 20.0) is Sound.QUIET


def test_a_silent_line_s_hiss_is_quiet() -> None:
    assert set(Line().hear(-62.0, 2000)) == {Sound.QUIET}


def test_noise_is_uncertain_or_loud_until_it_is_learnt_and_quiet_then() -> None:
    line = Line()
    assert Sound.QUIET not in line.hear(-45.0, 1000)
    line.hear(-45.0, 5000)
    assert set(line.hear(-45.0, 1000)) == {Sound.QUIET}


@pytest.mark.parametrize("noise_dbfs", [-90.0, -60.0, -45.0])
def test_a_voice_stands_out_of_the_noise(noise_dbfs: float) -> None:
    line = Line()
    line.hear(noise_dbfs, 8000)
    assert set(line.hear(-20.0, 500)) == {Sound.LOUD}
    assert Sound.LOUD not in line.hear(noise_dbfs, 500)


def test_a_voice_in_noise_as_loud_as_itself_is_never_loud() -> None:
    line = Line()
    line.hear(-30.0, 12_000)
    assert Sound.LOUD not in line.hear(-25.0, 500)


def test_a_word_that_dies_away_is_uncertain() -> None:
    line = Line()
    line.hear(-90.0, 1000)
    line.hear(-15.0, 500)
    assert set(line.hear(-40.0, 100)) == {Sound.UNCERTAIN}


def test_a_soft_voice_is_loud_once_a_shout_is_forgotten() -> None:
    line = Line()
    line.hear(-5.0, 200)
    assert line.hear(-35.0) == [Sound.UNCERTAIN]
    line.hear(-90.0, 3000)
    assert line.hear(-35.0) == [Sound.LOUD]


def test_noise_that_ends_is_forgotten_at_once() -> None:
    line = Line()
    line.hear(-30.0, 12_000)
    line.hear(-90.0)
    assert line.hear(-50.0) != [Sound.QUIET]
