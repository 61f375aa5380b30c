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


def test_a_threshold_over_the_sure_probability_is_kept() -> None:
    assert run([0.9, 0.9, 0.9], threshold=0.95) == []


def test_a_fake_needs_one_frame_each_way() -> None:
    rules = GateRules(onset_frames=1, stop_silence_ms=0)
    assert run([0.0, 1.0, 0.0], rules) == [("start", 32), ("stop", 64)]
