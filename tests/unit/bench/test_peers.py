"""What is given to every system under comparison, and what is made of what they took."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from bench.peers import venvs
from bench.peers.measure import COLUMNS, SYSTEMS, added, further, ratios, tables
from bench.peers.plan import (
    BYTES_A_MS,
    DETECTOR_FRAME_MS,
    HEARD,
    METHODS,
    REPLY,
    REPLY_MS,
    STAGE_DELAYS,
    Detector,
    Sound,
    chunks,
    deltas,
)
from bench.rhythm import FRAME_MS, Habits, Kind, rhythm
from services.asr.settings import AsrSettings
from services.llm.settings import LlmSettings
from services.orchestrator.stages import channels
from services.tts.settings import TtsSettings
from services.turn.endpointing import TurnRules
from services.turn.engines.fake import FakeTurn
from services.turn.events import EndOfTurn, SpeechStarted, SpeechStopped
from services.turn.settings import TurnSettings
from services.turn.tracker import TurnTracker

pytestmark = pytest.mark.unit

LOUD, QUIET = b"\x10\x01" * (FRAME_MS * BYTES_A_MS // 2), bytes(FRAME_MS * BYTES_A_MS)
SOUNDS = {SpeechStarted: Sound.STARTED, SpeechStopped: Sound.STOPPED, EndOfTurn: Sound.ENDED}


def pcm_of(kind: Kind) -> bytes:
    return LOUD if kind in (Kind.SPEECH, Kind.BARGE_IN) else QUIET


async def fake_turn_detector(frames: list[Kind]) -> list[tuple[int, Sound]]:
    """Return what Parley's fake turn detector makes of the frames, forwarded as the orchestrator does, and when."""
    engine = FakeTurn(TurnSettings())
    stream, tracker = engine.open(16000), TurnTracker(TurnRules(), engine.capabilities)
    told, pending = [], []
    for at, kind in enumerate(frames):
        pending.append((at, pcm_of(kind)))
        if (at + 1) * FRAME_MS // DETECTOR_FRAME_MS == at * FRAME_MS // DETECTOR_FRAME_MS:
            continue
        for number, pcm in pending:
            heard = await stream.hear(pcm)
            events = tracker.hear(heard.frames, (number + 1) * FRAME_MS)
            told += [(at, SOUNDS[type(event)]) for event in events if type(event) in SOUNDS]
        pending.clear()
    return told


async def test_a_peers_detector_decides_as_the_fake_turn_detector_does_frame_by_frame() -> None:
    frames = list(islice(rhythm(3, Habits(REPLY_MS, barge_in_share=0.4)), 5000))
    detector = Detector()
    told = [(at, sound) for at, kind in enumerate(frames) for sound in detector.hear(pcm_of(kind))]
    expected = await fake_turn_detector(frames)
    assert [entry for entry in told if entry[1] is not Sound.WORD] == expected
    endings = [at for at, kind in enumerate(frames) if kind in (Kind.IN_SERIES, Kind.TRANSCRIPT_READY)]
    assert [at for at, sound in expected if sound is Sound.ENDED] == endings


def test_a_turn_is_announced_ahead_only_where_the_rhythm_says_so() -> None:
    frames = list(islice(rhythm(3, Habits(REPLY_MS)), 3000))
    detector = Detector()
    told = {at: detector.hear(pcm_of(kind)) for at, kind in enumerate(frames)}
    for at, kind in enumerate(frames):
        if kind is Kind.IN_SERIES:
            assert told[at][-2:] == [Sound.STOPPED, Sound.ENDED]
        elif kind is Kind.TRANSCRIPT_READY:
            assert told[at] == [Sound.ENDED]


def test_partials_grow_by_a_word_to_the_whole_text() -> None:
    detector = Detector()
    words = [detector.words for _ in range(120) if Sound.WORD in detector.hear(LOUD)]
    assert words == [" ".join(HEARD.split()[:count]) for count in range(1, len(HEARD.split()) + 1)]


def test_the_reply_and_its_audio_are_those_of_the_fake_services(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in STAGE_DELAYS.items():
        monkeypatch.setenv(name, value)
    llm, tts, asr = LlmSettings(), TtsSettings(), AsrSettings()
    assert "".join(deltas()) == llm.fake_reply == REPLY
    assert {len(delta.split()) for delta in deltas()} == {llm.fake_words_per_delta}
    assert len(b"".join(chunks(REPLY))) == tts.fake_word_ms * len(REPLY.split()) * BYTES_A_MS
    assert {len(chunk) for chunk in chunks(REPLY)} == {tts.fake_chunk_ms * BYTES_A_MS}
    assert asr.fake_texts == (HEARD,)
    assert METHODS == channels.METHODS


def entry(calls: int, p50: float, p95: float, cpu_s: float, rss_mb: float) -> dict[str, Any]:
    spread = {"p50_ms": p50, "p95_ms": p95, "p99_ms": p95, "max_ms": p95}
    return {
        "calls": calls,
        "turns": 40,
        "unanswered_turns": 0,
        "turn_in_series": {"n": 20} | spread,
        "turn_transcript_ready": {"n": 20} | {name: value - 10 for name, value in spread.items()},
        "barge_in": {"n": 3, "p50_ms": None, "p95_ms": None},
        "net_cpu_s_per_call_minute": cpu_s,
        "net_cpu_s_per_call_minute_all": cpu_s,
        "rss_mb": rss_mb,
        "rss_mb_a_further_call": None,
    }


def test_added_is_what_a_turn_has_beyond_its_stages() -> None:
    told = added(entry(25, 95.5, 102.0, 0.5, 80.0))
    assert told["added_in_series"]["p50_ms"] == 5.5
    assert told["added_transcript_ready"]["p50_ms"] == 5.5
    nothing = added(entry(25, 0, 0, 0, 0) | {"turn_in_series": dict.fromkeys(("p50_ms", "p95_ms", "p99_ms", "max_ms"))})
    assert nothing["added_in_series"]["p95_ms"] is None


def test_ratios_are_shares_of_the_peers_figures_by_calls() -> None:
    ours, theirs = added(entry(25, 95.0, 99.0, 0.5, 0)), added(entry(25, 105.0, 126.0, 1.5, 0))
    (told,) = ratios([ours], [theirs])["runs"]
    assert told == {"calls": 25, "added_p50": 0.333, "added_p95": 0.25, "added_p99": 0.25, "cpu": 0.333}


def test_no_ratio_to_a_peer_that_adds_nothing() -> None:
    ours, theirs = added(entry(25, 95.0, 99.0, 0.5, 0)), added(entry(25, 90.0, 89.0, 0.0, 0))
    assert ratios([ours], [theirs])["runs"] == [{"calls": 25}]


def test_no_ratio_of_latencies_to_a_peer_that_did_not_keep_up() -> None:
    ours, theirs = (
        added(entry(50, 95.0, 99.0, 0.5, 0)),
        added(entry(50, 900.0, 999.0, 1.0, 0) | {"unanswered_turns": 3}),
    )
    assert ratios([ours], [theirs])["runs"] == [{"calls": 50, "cpu": 0.5}]


def test_memory_of_a_further_call_leaves_out_what_the_first_brings() -> None:
    one, many = entry(1, 0, 0, 0, 100.0), entry(25, 0, 0, 0, 112.0)
    assert further(one, one) == {"rss_mb_a_further_call": None}
    assert further(one, many) == {"rss_mb_a_further_call": 0.5}


def test_the_table_has_a_row_a_run() -> None:
    runs = {"runs": [added(entry(calls, 95.0, 99.0, 0.5, 80.0)) for calls in (1, 25)]}
    systems = dict.fromkeys((*(system.name for system in SYSTEMS), "callers"), runs)
    result = {"systems": systems, "versions": {"pipecat": "1"}, "stages_ms": {"series": 90}}
    ((_, columns, rows),) = tables(result)
    assert columns == COLUMNS
    assert len(rows) == 2 * (len(SYSTEMS) + 1)
    assert {len(row) for row in rows} == {len(COLUMNS)}


@pytest.mark.parametrize("peer", venvs.PEERS)
def test_every_package_of_a_peers_environment_is_pinned(peer: str) -> None:
    lines = [line for line in venvs.pins_of(peer).read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 and "://" not in line for line in lines)
    assert venvs.version_of(peer)
