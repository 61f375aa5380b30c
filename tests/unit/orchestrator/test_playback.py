"""A reply's audio leaves a little ahead of real time, and what of it was heard is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from services.common.audio import AudioFormat
from services.orchestrator.playback import FRAME_MS, LEAD_MS, MIN_DELAY_MS, Playback, PlaybackHooks
from tests.unit.orchestrator.fake_loop import FakeLoop

pytestmark = pytest.mark.unit

FORMAT = AudioFormat(16000)
EPOCH = 7


@dataclass
class Caller:
    """What the caller got, and when, in ms since the test began."""

    loop: FakeLoop = field(default_factory=FakeLoop)
    frames: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    """(at_ms, epoch, offset_ms, pcm)"""
    events: list[tuple[str, int]] = field(default_factory=list)
    done_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        hooks = PlaybackHooks(
            send=lambda epoch, offset_ms, pcm: self.frames.append((self.now_ms, epoch, offset_ms, pcm)),
            began=lambda epoch: self.events.append(("began", epoch)),
            progressed=lambda epoch: self.events.append(("progressed", epoch)),
            done=self.on_done,
        )
        self.playback = Playback(FORMAT, hooks, self.loop.as_loop())
        self.playback.begin(EPOCH)

    def on_done(self, epoch: int) -> None:
        self.events.append(("done", epoch))
        self.done_ms.append(self.now_ms)

    @property
    def now_ms(self) -> float:
        return round((self.loop.time() - 1000) * 1000, 3)

    @property
    def sizes_ms(self) -> list[float]:
        return [FORMAT.duration_ms(len(pcm)) for _, _, _, pcm in self.frames]

    @property
    def times_ms(self) -> list[float]:
        return [at_ms for at_ms, _, _, _ in self.frames]


def audio(duration_ms: float, first: int = 0) -> bytes:
    """Return audio in which every sample differs from its neighbours."""
    samples = FORMAT.byte_count(duration_ms) // 2
    return b"".join(((first + number) % 65536).to_bytes(2, "little") for number in range(samples))


def test_the_first_frame_leaves_at_once_and_alone() -> None:
    caller = Caller()
    caller.playback.push(audio(20))
    assert caller.frames == [(0, EPOCH, 0, audio(20))]
    assert caller.events == [("began", EPOCH)]


def test_later_frames_are_large_and_leave_when_there_is_room() -> None:
    caller = Caller()
    caller.playback.push(audio(20))
    caller.playback.push(audio(980))
    caller.playback.finish()
    caller.loop.advance(5000)
    assert caller.sizes_ms == [20, *[FRAME_MS] * 9, 80]
    # 120 ms at once; each further frame once no more than LEAD - FRAME is left to play.
    assert caller.times_ms == pytest.approx([0, 0, *[20 + 100 * number for number in range(9)]], abs=MIN_DELAY_MS)
    assert caller.done_ms == pytest.approx([1000], abs=MIN_DELAY_MS)
    assert b"".join(pcm for *_, pcm in caller.frames) == audio(20) + audio(980)


def test_a_long_sentence_at_once_is_paced_too() -> None:
    caller = Caller()
    caller.playback.push(audio(3000))
    assert caller.sizes_ms == [FRAME_MS, FRAME_MS]
    for _ in range(300):
        caller.loop.advance(10)
        assert caller.playback.sent_ms <= caller.now_ms + LEAD_MS + 1e-6
        assert caller.playback.sent_ms >= min(3000, caller.now_ms + LEAD_MS - FRAME_MS - 11)
    assert caller.playback.sent_ms == 3000


def test_small_pushes_become_large_frames_while_they_wait() -> None:
    caller = Caller()
    for _ in range(50):
        caller.playback.push(audio(20))
    caller.playback.finish()
    caller.loop.advance(2000)
    assert caller.sizes_ms[:6] == [20, 20, 20, 20, 20, 20]  # the lead is empty: nothing waits for company
    assert set(caller.sizes_ms[6:-1]) == {100}
    assert sum(caller.sizes_ms) == 1000


def test_offsets_tell_where_each_frame_begins() -> None:
    caller = Caller()
    caller.playback.push(audio(20))
    caller.playback.push(audio(480))
    caller.loop.advance(1000)
    expected = [sum(caller.sizes_ms[:number]) for number in range(len(caller.frames))]
    assert [offset_ms for _, _, offset_ms, _ in caller.frames] == expected


def test_nothing_is_said_to_be_done_before_all_was_played() -> None:
    caller = Caller()
    caller.playback.push(audio(150))
    caller.playback.finish()
    caller.loop.advance(140)
    assert caller.done_ms == []
    caller.loop.advance(1000)
    assert caller.done_ms == pytest.approx([150], abs=MIN_DELAY_MS)
    assert caller.events[-1] == ("done", EPOCH)
    assert caller.loop.timers == 0


def test_a_reply_that_is_not_finished_is_never_done() -> None:
    caller = Caller()
    caller.playback.push(audio(100))
    caller.loop.advance(60_000)
    assert caller.done_ms == []
    caller.playback.finish()
    assert caller.done_ms == pytest.approx([60_000], abs=MIN_DELAY_MS)


def test_a_reply_without_audio_is_done_at_once() -> None:
    caller = Caller()
    caller.playback.push(b"")
    caller.playback.finish()
    assert caller.events == [("done", EPOCH)]
    assert caller.frames == []


def test_audio_after_a_gap_starts_the_clock_anew() -> None:
    caller = Caller()
    caller.playback.push(audio(100))
    caller.loop.advance(1000)
    assert caller.playback.position_ms() == 100  # the caller has played what there was, and waits
    caller.playback.push(audio(400))
    assert caller.now_ms == 1000
    assert caller.times_ms[1:] == [1000, 1000]
    caller.loop.advance(50)
    assert caller.playback.position_ms() == pytest.approx(150)
    caller.playback.finish()
    caller.loop.advance(1000)
    assert caller.done_ms == pytest.approx([1400], abs=MIN_DELAY_MS)


def test_a_pause_holds_everything_and_resume_goes_on_where_it_was() -> None:
    caller = Caller()
    caller.playback.push(audio(1000))
    caller.playback.finish()
    caller.loop.advance(250)
    caller.playback.pause()
    sent = len(caller.frames)
    caller.loop.advance(10_000)
    assert len(caller.frames) == sent
    assert caller.playback.is_paused
    assert caller.playback.position_ms() == pytest.approx(250)
    caller.playback.resume()
    assert not caller.playback.is_paused
    caller.loop.advance(2000)
    assert caller.playback.sent_ms == 1000
    assert caller.done_ms == pytest.approx([11_000], abs=MIN_DELAY_MS)


def test_audio_and_the_end_may_come_while_it_is_paused() -> None:
    caller = Caller()
    caller.playback.push(audio(100))
    caller.playback.pause()
    caller.playback.push(audio(100))
    caller.playback.finish()
    caller.loop.advance(500)
    assert caller.sizes_ms == [100]
    caller.playback.resume()
    caller.loop.advance(500)
    assert caller.sizes_ms == [100, 100]
    assert len(caller.done_ms) == 1


def test_a_pause_at_the_very_end_keeps_done_back() -> None:
    caller = Caller()
    caller.playback.push(audio(100))
    caller.playback.finish()
    caller.loop.advance(40)
    caller.playback.pause()
    caller.playback.pause()
    caller.loop.advance(1000)
    assert caller.done_ms == []
    caller.playback.resume()
    caller.playback.resume()
    caller.loop.advance(59)
    assert caller.done_ms == []
    caller.loop.advance(2)
    assert len(caller.done_ms) == 1


def test_clear_throws_away_what_was_not_sent_and_tells_the_position() -> None:
    caller = Caller()
    caller.playback.push(audio(1000))
    caller.playback.finish()
    caller.loop.advance(130)
    assert caller.playback.clear() == pytest.approx(130)
    sent = len(caller.frames)
    caller.loop.advance(60_000)
    assert len(caller.frames) == sent
    assert caller.done_ms == []
    assert caller.playback.position_ms() == pytest.approx(130)
    assert caller.loop.timers == 0


def test_after_a_clear_the_callers_own_word_still_counts() -> None:
    caller = Caller()
    caller.playback.push(audio(1000))
    caller.loop.advance(130)
    caller.playback.clear()
    caller.playback.acknowledge(EPOCH, 90)
    caller.loop.advance(500)
    assert caller.playback.position_ms() == 90


def test_the_next_turn_starts_from_nothing() -> None:
    caller = Caller()
    caller.playback.push(audio(1000))
    caller.loop.advance(300)
    caller.playback.pause()
    caller.playback.begin(EPOCH + 1)
    assert (caller.playback.epoch, caller.playback.sent_ms, caller.playback.position_ms()) == (EPOCH + 1, 0, 0)
    caller.frames.clear()
    caller.playback.push(audio(20))
    assert caller.frames == [(300, EPOCH + 1, 0, audio(20))]
    assert caller.events[-1] == ("began", EPOCH + 1)
    caller.loop.advance(1000)
    assert len(caller.frames) == 1  # nothing of the last turn


def test_a_turn_that_begins_while_one_is_done_but_not_played_is_told_of_once() -> None:
    caller = Caller()
    caller.playback.push(audio(500))
    caller.playback.finish()
    caller.playback.begin(EPOCH + 1)
    caller.loop.advance(5000)
    assert caller.done_ms == []


# --- the caller's own word --------------------------------------------------------------------------------------------


def test_where_the_caller_tells_its_position_that_is_the_truth() -> None:
    caller = Caller()
    caller.playback.push(audio(1000))
    caller.loop.advance(150)
    caller.playback.acknowledge(EPOCH, 60)  # it began 90 ms late
    assert caller.playback.position_ms() == 60
    caller.loop.advance(20)
    assert caller.playback.position_ms() == pytest.approx(80)


def test_a_caller_that_is_behind_is_not_filled_further() -> None:
    caller = Caller()
    caller.playback.push(audio(1000))
    caller.playback.finish()
    for _ in range(20):
        caller.loop.advance(50)
        caller.playback.acknowledge(EPOCH, round(caller.now_ms / 2))  # it plays at half the pace
        assert caller.playback.sent_ms <= caller.now_ms / 2 + LEAD_MS + 50
    assert caller.done_ms == []
    caller.loop.advance(490)
    assert caller.done_ms == []
    caller.loop.advance(20)
    assert len(caller.done_ms) == 1


@pytest.mark.parametrize(("epoch", "played_ms"), [(EPOCH - 1, 10), (EPOCH + 1, 10), (EPOCH, 5000), (EPOCH, 202)])
def test_a_position_of_another_turn_or_beyond_what_was_sent_counts_for_nothing(epoch: int, played_ms: int) -> None:
    caller = Caller()
    caller.playback.push(audio(1000))
    caller.loop.advance(50)
    assert caller.playback.sent_ms == 200
    caller.playback.acknowledge(epoch, played_ms)
    assert caller.playback.position_ms() == pytest.approx(50)


def test_a_position_told_while_paused_holds_while_paused() -> None:
    caller = Caller()
    caller.playback.push(audio(1000))
    caller.loop.advance(150)
    caller.playback.pause()
    caller.playback.acknowledge(EPOCH, 170)
    caller.loop.advance(5000)
    assert caller.playback.position_ms() == 170
    caller.playback.resume()
    caller.loop.advance(10)
    assert caller.playback.position_ms() == pytest.approx(180)


def test_the_position_never_passes_what_was_sent() -> None:
    caller = Caller()
    caller.playback.push(audio(50))
    caller.loop.advance(10_000)
    assert caller.playback.position_ms() == 50
    caller.playback.acknowledge(EPOCH, 51)  # rounded up at the caller
    assert caller.playback.position_ms() == 50


def test_the_first_frame_is_held_back_and_no_later_one() -> None:
    caller = Caller()
    caller.playback.begin(EPOCH, hold_ms=250)
    caller.playback.push(audio(300))
    assert not caller.frames
    caller.loop.advance(249)
    assert not caller.frames
    caller.loop.advance(1000)
    assert caller.times_ms[0] == pytest.approx(250, abs=1)
    assert sum(caller.sizes_ms) == 300
    caller.playback.begin(EPOCH + 1)
    caller.playback.push(audio(20))
    assert len(caller.frames[-1][3]) == FORMAT.byte_count(20)
