from __future__ import annotations

import numpy as np
import pytest

from parley.measure import LatencyMeter, SentAudio

pytestmark = pytest.mark.unit

RATE = 16000
MS = RATE // 1000


def tone(duration_ms: int, level: float = 0.3) -> bytes:
    samples = np.arange(duration_ms * MS)
    return (level * 32767 * np.sin(2 * np.pi * 220 * samples / RATE)).astype("<i2").tobytes()


def silence(duration_ms: int) -> bytes:
    return bytes(2 * duration_ms * MS)


class Caller:
    """Sends in chunks of 20 ms, each when its last sample has been spoken, late by `jitter`."""

    def __init__(self, begin_ms: float = 0) -> None:
        self.meter = LatencyMeter(RATE)
        self.now_ms = begin_ms

    def send(self, pcm: bytes, late_ms: float = 0) -> None:
        step = 20 * MS * 2
        for start in range(0, len(pcm), step):
            self.now_ms += 20
            self.meter.sent(pcm[start : start + step], round((self.now_ms + late_ms) * MS))

    def hear(self, epoch: int) -> float | None:
        self.meter.agent_audio(epoch, round(self.now_ms * MS))
        return self.meter.voice_to_voice_ms(epoch)


def test_latency_runs_from_the_last_speech_sample_sent() -> None:
    caller = Caller()
    caller.send(silence(500) + tone(600) + silence(300))
    assert caller.hear(1) == pytest.approx(300, abs=10)


def test_a_speech_end_inside_a_chunk_is_found_to_the_window() -> None:
    caller = Caller()
    caller.send(tone(610) + silence(290))
    assert caller.hear(1) == pytest.approx(290, abs=10)


def test_a_greeting_has_no_latency() -> None:
    caller = Caller()
    caller.send(silence(800))
    assert caller.hear(1) is None
    assert Caller().hear(1) is None


def test_an_utterance_is_answered_once() -> None:
    caller = Caller()
    caller.send(tone(400) + silence(200))
    assert caller.hear(1) == pytest.approx(200, abs=10)
    caller.send(silence(6000))
    assert caller.hear(2) is None, "an idle prompt answers no speech"
    caller.send(tone(400) + silence(240))
    assert caller.hear(3) == pytest.approx(240, abs=10)


def test_a_barge_in_is_measured_on_its_own_speech() -> None:
    caller = Caller()
    caller.send(tone(400) + silence(200))
    caller.hear(1)
    caller.send(silence(700) + tone(500) + silence(260))
    assert caller.hear(2) == pytest.approx(260, abs=10)


def test_only_the_first_audio_of_a_turn_counts() -> None:
    caller = Caller()
    caller.send(tone(400) + silence(200))
    caller.hear(1)
    caller.send(silence(500))
    assert caller.hear(1) == pytest.approx(200, abs=10)


def test_background_noise_and_clicks_are_not_speech() -> None:
    noise = (np.random.default_rng(1).normal(0, 20, 2000 * MS)).astype("<i2").tobytes()
    caller = Caller()
    caller.send(tone(400) + noise[: 2 * 300 * MS])
    assert caller.hear(1) == pytest.approx(300, abs=10)
    click = bytearray(silence(300))
    click[2 * 100 * MS : 2 * 101 * MS] = tone(1, 0.9)
    caller.send(tone(400) + bytes(click))
    assert caller.hear(2) == pytest.approx(300, abs=10)


def test_the_jitter_of_sending_does_not_shift_the_measure() -> None:
    caller = Caller()
    caller.send(silence(20), late_ms=15)  # the very first chunk was late
    caller.send(tone(600) + silence(300))
    assert caller.hear(1) == pytest.approx(300, abs=10)


def test_a_gap_in_the_sending_reads_the_clock_anew() -> None:
    caller = Caller()
    caller.send(tone(200))
    caller.now_ms += 5000
    caller.send(tone(400) + silence(160))
    assert caller.hear(1) == pytest.approx(160, abs=10)


def test_a_caller_who_is_still_speaking_gets_no_negative_figure() -> None:
    caller = Caller()
    caller.send(tone(400))
    value = caller.hear(1)
    assert value is not None
    assert 0 <= value <= 20


def test_audio_sent_in_one_burst_gets_no_negative_figure() -> None:
    meter = LatencyMeter(RATE)
    for _ in range(50):
        meter.sent(tone(20), 10)
    meter.agent_audio(1, 20)
    value = meter.voice_to_voice_ms(1)
    assert value is not None
    assert value >= 0


def test_placement_joins_an_unbroken_stream() -> None:
    placement = SentAudio(RATE)
    assert placement.place(320, 320) == 0
    assert placement.place(320, 700) == 320
    assert placement.place(320, 10_000) == 10_000 - 320
    assert placement.segment == 1
