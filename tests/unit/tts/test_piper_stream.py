# ruff: noqa: RUF001 (IPA is made of look-alikes)
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.engines.piper_stream import (
    Pace,
    clauses,
    estimated_lengths,
    limited,
    silence_after,
    silence_before,
    windows,
)

pytestmark = pytest.mark.unit


@given(st.integers(1, 900), st.integers(1, 60), st.integers(1, 200), st.integers(0, 30), st.floats(0, 2))
def test_windows_cover_all_frames_once_with_their_surroundings(
    frames: int, first: int, longest: int, halo: int, cost: float
) -> None:
    parts = list(windows(frames, Pace(first, longest, halo, cost)))
    assert [part.start for part in parts] == [0, *(part.end for part in parts[:-1])]
    assert parts[-1].end == frames
    for part in parts:
        assert part.end > part.start
        assert part.before == min(halo, part.start)
        assert part.after == min(halo, frames - part.end)


@given(st.integers(100, 900), st.integers(1, 60), st.integers(1, 30), st.floats(0.01, 0.6))
def test_each_piece_is_there_before_the_ones_ahead_are_heard_out(
    frames: int, first: int, halo: int, cost: float
) -> None:
    made = heard_out = 0.0
    for part in windows(frames, Pace(first, 138, halo, cost)):
        if part.start:
            made += cost * (part.end - part.start + part.before + part.after)
            assert made <= heard_out or part.end == frames  # a short rest rides with the last one
        heard_out += part.end - part.start


def test_the_first_is_short_where_the_decoder_is_fast_and_longer_where_it_is_slow() -> None:
    def sizes(cost: float) -> list[int]:
        return [part.end - part.start for part in windows(250, Pace(17, 138, 12, cost))]

    assert sizes(0.02) == [17, 34, 68, 131]
    assert sizes(0.44)[0] > 17
    assert sizes(3.0) == sizes(0.6)
    assert len(sizes(3.0)) > 1


def test_silence_is_cut_at_both_ends_but_for_a_little() -> None:
    samples = np.zeros(22050, np.float32)
    samples[2205:4410] = 0.1
    assert silence_before(samples, 22050) == 2205 - 220
    assert len(samples) - silence_after(samples, 22050, 0) == 4410 + 441
    assert len(samples) - silence_after(samples, 22050, 10_000) == 10_000
    quiet = np.full(100, 0.001, np.float32)
    assert silence_before(quiet, 22050) == 0, "it may be all there is"
    assert silence_after(quiet, 22050, 60) == 40


def test_a_sentence_is_cut_at_its_commas_into_clauses_long_enough_to_stand_alone() -> None:
    sentence = "wˈɛl, ðə fˈɜːst pˈɑːɹt ɪz hˈɪɹ, ænd ðə sˈɛkənd pˈɑːɹt ɪz ðˈɛɹ, jˈɛs."
    parts = ["".join(sentence[start:end]) for start, end in clauses(sentence, 15)]
    assert parts == ["wˈɛl, ðə fˈɜːst pˈɑːɹt ɪz hˈɪɹ,", " ænd ðə sˈɛkənd pˈɑːɹt ɪz ðˈɛɹ, jˈɛs."]
    assert clauses("no commas", 15) == [(0, 9)]


def test_endless_sentences_are_cut_between_words() -> None:
    sentence = "ten " * 30
    parts = limited(sentence, [(0, len(sentence))], 50)
    assert all(end - start <= 50 for start, end in parts)
    assert all(sentence[end - 1] == " " for _, end in parts)
    assert [start for start, _ in parts[1:]] == [end for _, end in parts[:-1]]
    assert limited("x" * 120, [(0, 120)], 50) == [(0, 50), (50, 100), (100, 120)]


def test_vowels_last_longer_than_consonants_and_pauses_longest() -> None:
    vowel, consonant, pause = estimated_lengths("at,")
    assert consonant < vowel < pause
