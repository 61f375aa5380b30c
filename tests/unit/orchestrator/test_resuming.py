"""A pause anywhere: what the caller hears begins again at a word, loses nothing, and says that word alone twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.playback import PlaybackModel
from services.common.audio import AudioFormat
from services.orchestrator.playback import Playback, PlaybackHooks
from services.orchestrator.resuming import LONG_PAUSE_MS, MOST_TIMES, restart_ms
from services.orchestrator.timeline import TimedWord, Timeline
from tests.unit.orchestrator.fake_loop import FakeLoop

pytestmark = pytest.mark.unit

RATE_HZ = 8000
PER_MS = RATE_HZ // 1000


class Line:
    """A server and a caller some way apart, who acknowledges what is played; what is heard is noted by its place."""

    def __init__(self, timeline: Timeline, delay_ms: int) -> None:
        self.loop = FakeLoop()
        self.timeline = timeline
        self.delay_ms = delay_ms
        self.began_s = self.loop.time()
        self.heard: list[tuple[int, int]] = []
        """(first, end) of each stretch heard without a break, in samples of the turn's audio."""
        self.speaker = PlaybackModel(RATE_HZ, self.sounds)
        self.is_done = False
        hooks = PlaybackHooks(self.sends, lambda _: None, lambda _: None, self.done)
        self.playback = Playback(AudioFormat(RATE_HZ), hooks, self.loop.as_loop())
        self.playback.begin(1)
        for at in range(0, int(timeline.audio_ms), 10):  # each sample says where it belongs
            places = range(at * PER_MS, (at + 10) * PER_MS)
            self.playback.push(b"".join((place & 0xFFFF).to_bytes(2, "little") for place in places))
        self.playback.finish()

    def done(self, epoch: int) -> None:
        self.is_done = True

    def sends(self, epoch: int, offset_ms: int, pcm: bytes) -> None:
        self.to_caller(lambda: self.speaker.push(epoch, pcm))

    def to_caller(self, what: Callable[[], object]) -> None:
        def arrives() -> None:
            self.run_clock()
            what()

        self.loop.call_later(self.delay_ms / 1000, arrives)

    def run_clock(self) -> None:
        self.speaker.advance(round((self.loop.time() - self.began_s) * RATE_HZ))

    def sounds(self, at: int, pcm: bytes) -> None:
        samples = [int.from_bytes(pcm[place : place + 2], "little") for place in range(0, len(pcm), 2)]
        for low in samples:
            last = self.heard[-1][1] if self.heard else 0
            whole = min((low + high for high in range(0, 1 << 20, 1 << 16)), key=lambda sample: abs(sample - last))
            if self.heard and whole == last:
                self.heard[-1] = (self.heard[-1][0], whole + 1)
            else:
                self.heard.append((whole, whole + 1))

    def acknowledges(self) -> None:
        self.run_clock()
        played_ms = self.speaker.position_of(1).played_ms
        self.loop.call_later(self.delay_ms / 1000, self.playback.acknowledge, 1, played_ms)

    def pauses(self, duration_ms: int) -> None:
        self.playback.pause()
        self.to_caller(self.speaker.pause)
        self.loop.advance(self.delay_ms)
        self.acknowledges()
        self.loop.advance(max(duration_ms, self.delay_ms + 1))
        from_ms = restart_ms(self.playback, self.timeline)
        self.to_caller(lambda: self.speaker.resume(1, from_ms))
        self.playback.resume(from_ms)


WORDS = st.lists(st.tuples(st.integers(30, 600), st.integers(0, 200)), min_size=1, max_size=25)
PAUSES = st.lists(st.tuples(st.integers(10, 1500), st.integers(0, LONG_PAUSE_MS - 200)), max_size=MOST_TIMES)


def timeline_of(words: list[tuple[int, int]]) -> tuple[Timeline, list[tuple[int, int]]]:
    """Return a phrase of those (length, silence after it) in ms, whole tens of ms in all, and where its words lie."""
    timeline = Timeline()
    phrase = timeline.add_phrase(" ".join(["word"] * len(words)))
    timed, places = [], []
    now_ms = 0
    for number, (word_ms, gap_ms) in enumerate(words):
        places.append((now_ms * PER_MS, (now_ms + word_ms) * PER_MS))
        timed.append(TimedWord(now_ms + word_ms, number * 5 + 4, now_ms))
        now_ms += word_ms + gap_ms
    timeline.add_words(phrase, timed)
    timeline.add_audio(phrase, now_ms + -now_ms % 10, is_last=True)
    return timeline, places


@settings(max_examples=150, deadline=None)
@given(WORDS, PAUSES, st.integers(0, 120))
def test_it_begins_again_at_a_word_loses_nothing_and_repeats_that_word_alone(
    words: list[tuple[int, int]], pauses: list[tuple[int, int]], delay_ms: int
) -> None:
    timeline, places = timeline_of(words)
    line = Line(timeline, delay_ms)
    for after_ms, duration_ms in pauses:
        line.loop.advance(after_ms)
        line.acknowledges()
        line.loop.advance(delay_ms)
        line.pauses(duration_ms)
    line.loop.advance(60_000)
    line.run_clock()
    assert line.is_done
    assert line.heard[0][0] == 0
    assert line.heard[-1][1] == int(timeline.audio_ms) * PER_MS
    for (_, cut), (again, _) in pairwise(line.heard):
        assert again <= cut, "something was lost"
        word = next((begin, end) for begin, end in places if begin <= again < end)
        assert abs(again - word[0]) <= PER_MS, "it began inside a word"
        assert cut <= word[1], "more than one word was said again"


def test_after_a_long_pause_the_clause_is_said_again() -> None:
    timeline = Timeline()
    phrase = timeline.add_phrase("On Tuesday, we open at nine.")
    ends = (2, 11, 14, 19, 22, 28)
    timeline.add_words(phrase, [TimedWord(200 * n, end, 200 * (n - 1)) for n, end in enumerate(ends, 1)])
    timeline.add_audio(phrase, 1200, is_last=True)
    line = Line(timeline, 0)
    line.loop.advance(900)
    line.pauses(LONG_PAUSE_MS + 100)
    line.loop.advance(10_000)
    line.run_clock()
    assert [again // PER_MS for again, _ in line.heard] == [0, 400]


def test_where_a_phrase_has_no_word_timings_it_goes_on_where_it_stopped() -> None:
    timeline = Timeline()
    timeline.add_audio(timeline.add_phrase("One two three."), 1200, is_last=True)
    line = Line(timeline, 0)
    line.loop.advance(500)
    line.pauses(400)
    line.loop.advance(10_000)
    line.run_clock()
    assert line.heard == [(0, 1200 * PER_MS)]


def test_an_agent_that_is_paused_in_one_word_again_and_again_comes_past_it() -> None:
    timeline, _ = timeline_of([(600, 0)] * 2)
    line = Line(timeline, 0)
    again = []
    for _ in range(MOST_TIMES + 1):
        line.loop.advance(100)
        line.pauses(300)
        again.append(line.playback.position_ms())
    assert again == pytest.approx([0] * MOST_TIMES + [100], abs=1)


@given(PAUSES, st.integers(20, 1200))
def test_what_sounded_is_known_through_pauses(pauses: list[tuple[int, int]], last_ms: int) -> None:
    timeline, _ = timeline_of([(400, 50)] * 12)
    line = Line(timeline, 0)
    sounded = bytearray()
    line.speaker = PlaybackModel(RATE_HZ, lambda at, pcm: sounded.extend(bytes(2 * at - len(sounded)) + pcm))
    for after_ms, duration_ms in [*pauses, (last_ms, 0)]:
        line.loop.advance(after_ms)
        line.run_clock()
        duration_bytes = 2 * line.speaker.cursor
        heard = bytes(sounded).ljust(duration_bytes, b"\0")[-2 * PER_MS * 1000 :]
        known = line.playback.sounded(1000)
        assert known[-len(heard) :] == heard[-len(known) :]
        line.pauses(duration_ms)


def test_what_was_heard_before_a_word_is_said_again_stays_heard() -> None:
    timeline, _ = timeline_of([(300, 0)] * 4)
    line = Line(timeline, 0)
    line.loop.advance(800)
    line.pauses(300)
    assert line.playback.position_ms() == pytest.approx(600)
    assert line.playback.heard_ms() == pytest.approx(800, abs=1)
