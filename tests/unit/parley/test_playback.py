from __future__ import annotations

import pytest

from parley.playback import PlaybackModel, Position

pytestmark = pytest.mark.unit

RATE = 16000
MS = RATE // 1000


def frame(duration_ms: int, level: int = 1) -> bytes:
    return level.to_bytes(2, "little") * (duration_ms * MS)


def speaker(rate_hz: int = RATE) -> tuple[PlaybackModel, list[tuple[int, int]]]:
    heard: list[tuple[int, int]] = []
    return PlaybackModel(rate_hz, lambda at, pcm: heard.append((at, len(pcm) // 2))), heard


def test_frames_play_at_real_time_pace_from_their_arrival() -> None:
    model, heard = speaker()
    model.advance(100 * MS)
    model.push(1, frame(20))
    model.push(1, frame(20))
    model.advance(110 * MS)
    assert model.position == Position(1, 10)
    assert model.queued_ms == 30
    model.advance(500 * MS)
    assert model.position == Position(1, 40)
    assert heard[0] == (100 * MS, 10 * MS)
    assert sum(samples for _, samples in heard) == 40 * MS
    assert not model.is_playing


def test_a_late_frame_leaves_a_gap_and_the_position_counts_audio_not_time() -> None:
    model, heard = speaker()
    model.push(1, frame(20))
    model.advance(50 * MS)
    model.push(1, frame(20))
    model.advance(60 * MS)
    assert model.position == Position(1, 30)
    assert heard == [(0, 20 * MS), (50 * MS, 10 * MS)]


def test_pause_stands_still_and_resume_goes_on_at_the_same_sample() -> None:
    model, heard = speaker()
    model.push(1, frame(100))
    model.advance(30 * MS)
    model.pause()
    model.advance(400 * MS)
    assert model.position == Position(1, 30)
    model.resume()
    model.advance(1000 * MS)
    assert model.position == Position(1, 100)
    assert heard == [(0, 30 * MS), (400 * MS, 70 * MS)]


def test_clear_drops_the_epoch_and_counts_what_still_arrives_of_it() -> None:
    model, heard = speaker()
    model.push(3, frame(100))
    model.advance(20 * MS)
    model.pause()
    model.clear(3)
    assert not model.push(3, frame(20))
    assert not model.push(2, frame(20))
    assert model.stale_frames == 2
    assert model.push(4, frame(20))
    model.advance(200 * MS)
    assert model.position == Position(4, 20)
    assert model.position_of(3) == Position(3, 20)
    assert heard == [(0, 20 * MS), (20 * MS, 20 * MS)]


def test_clear_keeps_a_newer_epoch() -> None:
    model, _ = speaker()
    model.push(1, frame(20))
    model.push(2, frame(40))
    model.clear(1)
    assert model.queued_ms == 40
    assert model.position == Position(2, 0)


def test_a_new_turn_is_not_held_by_the_pause_of_the_one_before() -> None:
    model, _ = speaker()
    model.push(1, frame(20))
    model.pause()
    model.push(2, frame(20))
    assert model.is_playing


def test_a_sound_card_pulls_what_sounds_and_silence_where_nothing_does() -> None:
    model, heard = speaker()
    model.push(1, frame(20, level=7))
    pulled = model.pull(30 * MS)
    assert pulled == frame(20, level=7) + bytes(2 * 10 * MS)
    assert model.cursor == 30 * MS
    assert heard == [(0, 20 * MS)]
    model.push(1, frame(20))
    model.pause()
    assert model.pull(10 * MS) == bytes(2 * 10 * MS)


def test_position_of_an_odd_rate_never_runs_ahead_of_what_was_played() -> None:
    model, _ = speaker(22050)
    model.push(1, bytes(2 * 22050))
    for sample in range(0, 22050, 441):
        model.advance(sample)
        assert model.position.played_ms <= sample * 1000 / 22050
