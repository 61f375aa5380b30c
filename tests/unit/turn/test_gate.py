"""Frame probabilities to speech and silence."""

from __future__ import annotations

import pytest

from services.turn.gate import Change, GateRules, SpeechGate

pytestmark = pytest.mark.unit

FRAME_MS = 32


def run(probabilities: list[float], rules: GateRules | None = None, threshold: float = 0.5) -> list[tuple[str, float]]:
    gate = SpeechGate(rules or GateRules(), threshold)
    told: list[tuple[str, float]] = []
    for index, probability in enumerate(probabilities):
        change = gate.step(index * FRAME_MS, (index + 1) * FRAME_MS, probability)
        if change is Change.STARTED:
            told.append(("start", gate.onset_ms))
        elif change is Change.STOPPED:
            told.append(("stop", gate.end_ms))
    return told


def test_one_sure_frame_starts_speech() -> None:
    assert run([0.0, 0.95]) == [("start", 32)]


def test_two_fair_frames_start_speech_dated_back_to_the_first() -> None:
    assert run([0.0, 0.6, 0.55]) == [("start", 32)]


def test_single_fair_frames_are_no_speech() -> None:
    assert run([0.6, 0.2] * 50) == []


def test_speech_ends_after_three_silent_frames_dated_back_to_the_last_spoken() -> None:
    assert run([0.9, 0.9, 0.1, 0.1]) == [("start", 0)]
    assert run([0.9, 0.9, 0.1, 0.1, 0.1]) == [("start", 0), ("stop", 64)]


def test_within_speech_a_frame_just_under_the_threshold_still_counts() -> None:
    assert run([0.9, 0.36, 0.36, 0.36, 0.36, 0.1, 0.1, 0.1]) == [("start", 0), ("stop", 160)]


def test_a_short_dip_does_not_end_speech() -> None:
    assert run([0.9, 0.0, 0.0, 0.9, 0.0, 0.0, 0.9]) == [("start", 0)]


def hear(gate: SpeechGate, *frames: tuple[float, tuple[float, ...]]) -> list[Change]:
    return [
        gate.step(index * FRAME_MS, (index + 1) * FRAME_MS, probability, levels)
        for index, (probability, levels) in enumerate(frames)
    ]


LOUD, QUIET, FADING = (-12.0,) * 4, (-60.0,) * 4, (-14.0, -30.0, -41.0, -55.0)


def test_a_probability_that_trails_the_sound_does_not_move_the_end_of_speech() -> None:
    gate = SpeechGate(GateRules(), 0.5)
    changes = hear(gate, (0.9, LOUD), (0.99, FADING), (0.97, QUIET), (0.9, QUIET), (0.8, QUIET), (0.1, QUIET))
    assert changes == [Change.STARTED, *[Change.NONE] * 4, Change.STOPPED]
    assert (gate.onset_ms, gate.end_ms) == (0, 32 + 24)


def test_a_quiet_word_goes_on_while_the_probability_is_up() -> None:
    gate = SpeechGate(GateRules(), 0.5)
    assert Change.STOPPED not in hear(gate, (0.9, LOUD), *[(0.5, QUIET)] * 20)


def test_a_short_closure_within_a_word_ends_nothing_though_the_probability_dips() -> None:
    gate = SpeechGate(GateRules(), 0.5)
    changes = hear(gate, (0.9, LOUD), (0.9, QUIET), (0.2, QUIET), (0.9, LOUD))
    assert changes == [Change.STARTED, *[Change.NONE] * 3]
    assert gate.end_ms == 128


def test_on_a_noisy_line_voice_activity_alone_dates_the_end() -> None:
    gate = SpeechGate(GateRules(), 0.5)
    noise = (-38.0,) * 4
    hear(gate, (0.9, LOUD), (0.9, noise), (0.9, noise), (0.1, noise))
    assert gate.end_ms == 96


def test_a_voice_that_trails_off_slowly_stays_speech() -> None:
    gate = SpeechGate(GateRules(), 0.5)
    frames = [(0.9, (-12.0 - index * 0.2,) * 4) for index in range(200)]
    hear(gate, *frames)
    assert gate.end_ms == 200 * FRAME_MS


def test_the_next_speech_has_a_peak_of_its_own() -> None:
    gate = SpeechGate(GateRules(), 0.5)
    soft = (-48.0,) * 4
    hear(gate, (0.9, LOUD), *[(0.1, QUIET)] * 3, *[(0.9, soft)] * 2)
    assert (gate.onset_ms, gate.end_ms) == (128, 192)


def test_speech_starts_however_quiet_it_is() -> None:
    assert hear(SpeechGate(GateRules(), 0.5), (0.9, QUIET)) == [Change.STARTED]


def test_a_threshold_over_the_sure_probability_is_kept() -> None:
    assert run([0.9, 0.9, 0.9], threshold=0.95) == []


def test_a_fake_needs_one_frame_each_way() -> None:
    rules = GateRules(onset_frames=1, stop_silence_ms=0)
    assert run([0.0, 1.0, 0.0], rules) == [("start", 32), ("stop", 64)]
