from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parley.recording import CallRecording, place_chunks

pytestmark = pytest.mark.unit


def test_the_caller_is_left_and_the_agent_right_on_one_clock(tmp_path: Path) -> None:
    recording = CallRecording(16000)
    recording.add_caller(12, b"\x01\x00" * 10)
    recording.add_agent(5, b"\x02\x00" * 3)
    recording.add_agent(12, b"\x03\x00" * 4)
    recording.write(tmp_path / "made" / "call.wav")
    frames = np.frombuffer((tmp_path / "made" / "call.wav").read_bytes()[44:], dtype="<i2").reshape(-1, 2)
    assert frames[:, 0].tolist() == [0] * 2 + [1] * 10 + [0] * 4
    assert frames[:, 1].tolist() == [0] * 5 + [2] * 3 + [0] * 4 + [3] * 4


def test_chunks_of_an_even_stream_lie_end_to_end() -> None:
    assert place_chunks([20, 40, 60], [20, 20, 20], 1000) == [0, 20, 40]


def test_jitter_is_evened_out() -> None:
    assert place_chunks([27, 41, 60, 95, 100], [20] * 5, 1000) == [0, 20, 40, 60, 80]


def test_a_stall_that_a_burst_makes_up_for_leaves_no_hole() -> None:
    assert place_chunks([20, 105, 105, 105, 105, 120], [20] * 6, 1000) == [0, 20, 40, 60, 80, 100]


def test_a_pause_of_the_sender_is_silence() -> None:
    assert place_chunks([20, 40, 5000, 5020], [20] * 4, 1000) == [0, 20, 4980, 5000]


def test_chunks_never_overlap_and_never_begin_before_the_call() -> None:
    rng = np.random.default_rng(7)
    at = np.sort(rng.integers(0, 4000, 200)).tolist()
    begins = place_chunks(at, [20] * 200, 300)
    assert begins[0] >= 0
    assert place_chunks([5, 6], [20, 20], 1000)[0] == 0
    assert place_chunks([], [], 1000) == []
