"""Streams of one worker and the one general decoder between them."""

from __future__ import annotations

import pytest

from services.asr.engines.sphinx import hearing
from services.asr.engines.sphinx.decoders import Models
from services.asr.engines.sphinx.hearing import IDLE_S, Hearing
from tests.integration.turn.speech import say, silence

pytestmark = pytest.mark.integration

SLICE_BYTES = 6400


class Clock:
    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def test_an_idle_stream_lets_the_general_decoder_go_once_and_gets_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(hearing, "time", clock)
    models = Models()
    first, second = Hearing(models, None, ()), Hearing(models, None, ())
    pcm = silence(250) + say("i went to the market in the morning", 16000, "en-us+f2") + silence(150)
    for stream in (first, second):
        stream.accept(pcm)
    assert first.decode(SLICE_BYTES)
    assert not second.decode(SLICE_BYTES)
    assert second.finalize() is None  # the first is at work
    clock.now_s += 2 * IDLE_S
    assert second.finalize() is None  # and still is, however long ago its audio came
    rounds = 0
    while first.decode(SLICE_BYTES) | second.decode(SLICE_BYTES):  # the second takes over, and neither takes it back
        rounds += 1
        assert rounds < 100
    answers = [stream.finalize() for stream in (second, first)]
    assert all(answer is not None and len(answer.words) >= 5 for answer in answers)
