"""Whatever the pace of synthesis and of the caller: every byte once, in order, never far ahead, done once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.audio import SAMPLE_RATES_HZ, AudioFormat
from services.orchestrator.playback import LEAD_MS, Playback, PlaybackHooks
from tests.unit.orchestrator.fake_loop import FakeLoop

pytestmark = pytest.mark.unit

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(0, 400)),
        st.tuples(st.just("wait"), st.integers(0, 400)),
        st.tuples(st.just("pause"), st.just(0)),
        st.tuples(st.just("resume"), st.just(0)),
        st.tuples(st.just("acknowledge"), st.integers(0, 150)),
    ),
    max_size=40,
)


class Model:
    """A caller with a speaker of its own: it plays what it has in real time, and stands still while paused."""

    def __init__(self, rate_hz: int) -> None:
        self.loop = FakeLoop()
        self.format = AudioFormat(rate_hz)
        self.sent = bytearray()
        self.pushed = bytearray()
        self.calls: list[str] = []
        self.max_ahead_ms = 0.0
        hooks = PlaybackHooks(self.on_frame, lambda _: self.calls.append("began"), lambda _: None, self.on_done)
        self.playback = Playback(self.format, hooks, self.loop.as_loop())
        self.playback.begin(1)

    def on_frame(self, epoch: int, offset_ms: int, pcm: bytes) -> None:
        assert epoch == 1
        assert pcm
        assert len(pcm) % 2 == 0
        assert offset_ms == round(self.format.duration_ms(len(self.sent)))
        assert not self.playback.is_paused
        self.sent += pcm
        ahead_ms = self.format.duration_ms(len(self.sent)) - self.playback.position_ms()
        self.max_ahead_ms = max(self.max_ahead_ms, ahead_ms)

    def on_done(self, epoch: int) -> None:
        assert epoch == 1
        assert self.sent == self.pushed
        self.calls.append("done")

    def push(self, duration_ms: int) -> None:
        start = len(self.pushed)
        pcm = bytes((start + place) % 251 for place in range(self.format.byte_count(duration_ms)))
        self.pushed += pcm
        self.playback.push(pcm)

    def acknowledge(self, behind_ms: int) -> None:
        self.playback.acknowledge(1, max(0, round(self.playback.position_ms()) - behind_ms))


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from(SAMPLE_RATES_HZ))
def test_every_byte_once_in_order_and_done_once(steps: list[tuple[str, int]], rate_hz: int) -> None:
    model = Model(rate_hz)
    playback = model.playback
    last_ms = 0.0
    acknowledges = False
    for kind, value in steps:
        match kind:
            case "push":
                model.push(value)
            case "wait":
                model.loop.advance(value)
            case "pause":
                playback.pause()
            case "resume":
                playback.resume()
            case "acknowledge":
                acknowledges = True
                model.acknowledge(value)
        assert model.pushed.startswith(model.sent)
        assert 0 <= playback.position_ms() <= playback.sent_ms
        assert acknowledges or playback.position_ms() >= last_ms
        last_ms = playback.position_ms()
        assert "done" not in model.calls
    assert model.max_ahead_ms <= LEAD_MS + 1e-6
    playback.finish()
    playback.resume()
    model.loop.advance(60_000)
    assert model.sent == model.pushed
    assert model.calls == (["began", "done"] if model.pushed else ["done"])
    assert playback.position_ms() == pytest.approx(playback.sent_ms, abs=6)
    model.loop.advance(60_000)
    assert model.calls.count("done") == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=20), st.integers(0, 2000))
def test_after_a_clear_not_a_byte_more(pushes: list[tuple[int, int]], later_ms: int) -> None:
    model = Model(16000)
    for duration_ms, wait_ms in pushes:
        model.push(duration_ms)
        model.loop.advance(wait_ms)
    position_ms = model.playback.clear()
    sent = len(model.sent)
    model.loop.advance(later_ms)
    assert len(model.sent) == sent
    assert model.playback.position_ms() == position_ms
    assert "done" not in model.calls
