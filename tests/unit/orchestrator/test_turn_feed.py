"""What the turn detector is sent, and when: nothing that it waits for is late, and what is no news is joined."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.audio import SAMPLE_RATES_HZ, AudioFormat
from services.common.wire import encode_audio
from services.orchestrator.turn_feed import LONGEST_JUDGED_MS, MOST_IDLE_MS, MOST_MS, VAD_FRAME_MS, TurnFeed
from tests.unit.orchestrator.hearing_line import pcm_of

pytestmark = pytest.mark.unit

SILENCE, SPEECH = -math.inf, -20.0


@dataclass
class Sent:
    """A line into a feed, and what came out of it."""

    rate_hz: int = 16000
    messages: list[bytes] = field(default_factory=list)
    said: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.format = AudioFormat(self.rate_hz)
        self.feed = TurnFeed(self.format, self.messages.append)
        self._noise = np.random.default_rng(7)

    def say(self, duration_ms: float, level_dbfs: float, chunk_ms: float = 20) -> list[int]:
        """Send white noise of a level; return how many messages there were after each chunk."""
        counts = []
        for _ in range(round(duration_ms / chunk_ms)):
            count = self.format.byte_count(chunk_ms) // 2
            samples = self._noise.normal(0, 32768 * 10 ** (level_dbfs / 20), count)
            self.send(np.clip(samples, -32768, 32767).astype("<i2").tobytes())
            counts.append(len(self.messages))
        return counts

    def send(self, pcm: bytes) -> None:
        self.said += pcm
        self.feed.take(encode_audio(pcm), len(pcm))

    @property
    def lengths_ms(self) -> list[int]:
        return [round(self.format.duration_ms(len(pcm_of([raw])))) for raw in self.messages]

    @property
    def waiting_ms(self) -> float:
        return self.format.duration_ms(len(self.said) - len(pcm_of(self.messages)))

    def assert_nothing_lost(self) -> None:
        assert bytes(self.said).startswith(pcm_of(self.messages))


def speaking(sent: Sent) -> None:
    sent.say(400, SILENCE)
    sent.feed.on_detected("speech_started")
    sent.say(400, SPEECH)


def have_some_wait(sent: Sent) -> None:
    """Go on speaking until a whole frame waits."""
    while sent.waiting_ms < VAD_FRAME_MS:
        sent.say(20, SPEECH)


# --- what waits -------------------------------------------------------------------------------------------------------


def test_silence_is_joined_while_nobody_speaks() -> None:
    sent = Sent()
    sent.say(1600, SILENCE)
    assert sent.lengths_ms == [160] * 10


def test_it_is_joined_for_a_shorter_time_while_the_agent_is_heard() -> None:
    sent = Sent()
    sent.feed.agent_speaks(True)
    sent.say(1600, SILENCE)
    assert sent.lengths_ms == [100] * 16


def test_steady_noise_is_joined_once_it_is_known() -> None:
    sent = Sent()
    learning = sent.say(8000, -45.0)
    first_s, last_s = learning[49], learning[-1] - learning[-51]
    assert (first_s, last_s) == (31, 6), "frame by frame at first, then six messages a second"


def test_speech_is_joined_while_the_caller_speaks() -> None:
    sent = Sent()
    speaking(sent)
    sent.messages.clear()
    sent.say(1600, SPEECH)
    assert set(sent.lengths_ms[1:]) == {100}


@pytest.mark.parametrize("chunk_ms", [5, 10, 20, 30, 32, 40, 100])
@pytest.mark.parametrize(("agent_speaks", "most_ms"), [(False, MOST_IDLE_MS), (True, MOST_MS)])
def test_no_message_is_longer_than_the_bound(chunk_ms: int, agent_speaks: bool, most_ms: int) -> None:
    sent = Sent()
    sent.feed.agent_speaks(agent_speaks)
    sent.say(3200, SILENCE, chunk_ms)
    assert max(sent.lengths_ms) <= most_ms
    assert max(sent.lengths_ms) + chunk_ms > most_ms or chunk_ms > LONGEST_JUDGED_MS
    assert sent.waiting_ms < most_ms


# --- what does not ----------------------------------------------------------------------------------------------------


def assert_prompt(sent: Sent, duration_ms: float, level_dbfs: float) -> None:
    """Every frame goes out with the chunk that completes it."""
    for _ in range(round(duration_ms / 20)):
        frames = len(sent.said) // sent.format.byte_count(VAD_FRAME_MS)
        sent.say(20, level_dbfs)
        if len(sent.said) // sent.format.byte_count(VAD_FRAME_MS) > frames:
            assert sent.waiting_ms == 0


@pytest.mark.parametrize("over_agent", [False, True])
@pytest.mark.parametrize("level_dbfs", [-50.0, -35.0, SPEECH])
def test_any_sound_out_of_silence_goes_out_at_once(level_dbfs: float, over_agent: bool) -> None:
    sent = Sent()
    sent.feed.agent_speaks(over_agent)
    sent.say(500, SILENCE)
    assert_prompt(sent, 300, level_dbfs)
    sent.assert_nothing_lost()


def test_a_voice_little_louder_than_the_noise_goes_out_at_once() -> None:
    sent = Sent()
    sent.say(8000, -45.0)
    assert_prompt(sent, 300, -37.0)


@pytest.mark.parametrize("level_dbfs", [SILENCE, -60.0, -45.0])
def test_the_fall_of_a_voice_goes_out_at_once_with_all_that_waited(level_dbfs: float) -> None:
    sent = Sent()
    speaking(sent)
    have_some_wait(sent)
    assert_prompt(sent, 300, level_dbfs)


def test_every_frame_of_a_pause_goes_out_at_once_whatever_is_heard() -> None:
    sent = Sent()
    speaking(sent)
    sent.feed.on_detected("speech_stopped")
    assert_prompt(sent, 600, SILENCE)
    assert_prompt(sent, 200, SPEECH)


def test_what_waits_goes_out_when_the_speech_is_found_to_have_stopped() -> None:
    sent = Sent()
    speaking(sent)
    have_some_wait(sent)
    sent.feed.on_detected("speech_stopped")
    assert sent.waiting_ms == 0


@pytest.mark.parametrize("event", ["end_of_turn", "backchannel"])
def test_silence_is_joined_again_after_the_turn(event: str) -> None:
    sent = Sent()
    speaking(sent)
    sent.feed.on_detected("speech_stopped")
    sent.feed.on_detected(event)
    before = len(sent.messages)
    sent.say(1600, SILENCE)
    assert len(sent.messages) - before == 10


def test_speech_over_the_agent_goes_out_at_once() -> None:
    sent = Sent()
    sent.feed.agent_speaks(True)
    speaking(sent)
    assert_prompt(sent, 600, SPEECH)


def test_words_that_make_a_turn_again_of_a_backchannel_open_its_pause_again() -> None:
    sent = Sent()
    speaking(sent)
    sent.feed.on_detected("speech_stopped")
    sent.feed.on_detected("backchannel")
    sent.feed.on_detected("interruption")
    assert_prompt(sent, 300, SILENCE)


def test_an_interruption_in_mid_speech_is_no_pause() -> None:
    sent = Sent()
    speaking(sent)
    sent.feed.on_detected("interruption")
    sent.messages.clear()
    sent.say(1600, SPEECH)
    assert set(sent.lengths_ms[1:]) == {100}


def test_a_chunk_too_long_for_its_level_to_say_how_it_ends_goes_out_at_once() -> None:
    sent = Sent()
    chunk_ms = LONGEST_JUDGED_MS + 20
    assert sent.say(600, SILENCE, chunk_ms) == list(range(1, 11))


@pytest.mark.parametrize(
    "begins", [lambda feed: feed.flush(), lambda feed: feed.agent_speaks(True), lambda feed: feed.agent_speaks(False)]
)
def test_what_waits_goes_out_ahead_of_a_control(begins: Callable[[TurnFeed], None]) -> None:
    sent = Sent()
    sent.say(100, SILENCE)
    assert sent.messages == []
    begins(sent.feed)
    assert (len(sent.messages), sent.waiting_ms) == (1, 0)
    begins(sent.feed)
    assert len(sent.messages) == 1, "nothing waits any more"


# --- a new stream -----------------------------------------------------------------------------------------------------


def test_a_new_stream_in_a_turn_is_told_every_frame_until_it_says_what_it_hears() -> None:
    sent = Sent()
    sent.say(60, SILENCE)
    sent.feed.begin_anew(sent.format.byte_count(50), in_turn=True)
    sent.said.clear()
    assert sent.say(100, SILENCE) == [1, 1, 2, 3, 3], "its frames end at 14, 46 and 78 ms from here"
    sent.feed.on_detected("end_of_turn")
    assert sent.say(100, SILENCE)[-1] == 4, "one more, with the end of the pause"


# --- whatever happens -------------------------------------------------------------------------------------------------


def _levels(chance: random.Random) -> Iterator[float]:
    while True:
        yield from [chance.choice((SILENCE, -60.0, -45.0, -30.0, SPEECH))] * chance.randint(1, 12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), rate_hz=st.sampled_from(SAMPLE_RATES_HZ))
def test_nothing_is_lost_and_nothing_waits_beyond_the_bound(seed: int, rate_hz: int) -> None:
    chance = random.Random(seed)
    sent = Sent(rate_hz)
    events = ("speech_started", "speech_stopped", "eager_end_of_turn", "end_of_turn", "interruption", "backchannel")
    for _, level_dbfs in zip(range(120), _levels(chance), strict=False):
        chunk_ms = chance.choice((5, 10, 20, 30, 60))
        sent.say(chunk_ms, level_dbfs, chunk_ms)
        assert sent.waiting_ms < MOST_IDLE_MS
        if chance.random() < 0.1:
            sent.feed.on_detected(chance.choice(events))
        if chance.random() < 0.05:
            sent.feed.agent_speaks(chance.random() < 0.5)
    sent.assert_nothing_lost()
