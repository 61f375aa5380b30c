"""Audio ahead of real time."""

from __future__ import annotations

import pytest

from services.common.errors import Overloaded
from services.common.limits import AudioPace

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_real_time_is_never_refused() -> None:
    clock = Clock()
    pace = AudioPace(burst_ms=100, clock=clock)
    for _ in range(3000):
        pace.admit(20)
        clock.now_s += 0.020


def test_a_burst_is_admitted_and_what_goes_beyond_is_told_when_to_come_back() -> None:
    clock = Clock()
    pace = AudioPace(burst_ms=1000, clock=clock)
    pace.admit(1000)
    with pytest.raises(Overloaded, match="ahead of real time") as refused:
        pace.admit(500)
    assert refused.value.retry_after_ms == 500


def test_a_pause_does_not_earn_more_than_the_burst() -> None:
    clock = Clock()
    pace = AudioPace(burst_ms=1000, clock=clock)
    clock.now_s += 3600
    with pytest.raises(Overloaded):
        pace.admit(1001)
