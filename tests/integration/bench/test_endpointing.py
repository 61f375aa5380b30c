"""The callers of the endpointing bench, and one of their calls through the real engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.endpointing_replay import Policy, Replay, hear
from bench.endpointing_set import LEAD_MS, TAIL_MS, make_calls
from services.turn.engines.silero import SileroSmartTurn
from services.turn.settings import TurnSettings

pytestmark = pytest.mark.integration


def test_a_seed_makes_the_same_calls_and_another_makes_others() -> None:
    def said(seed: int) -> list[object]:  # espeak-ng's own noise goes on from call to call: samples are not compared
        turns = next(make_calls(seed, 3, turns=3)).turns
        return [(turn.expected, turn.pauses_ms, turn.gap_ms, [word.text for word in turn.words]) for turn in turns]

    assert said(7) == said(7)
    assert said(7) != said(8)


def test_labels_are_where_the_sound_is() -> None:
    for call in make_calls(7, 3, turns=3):
        for turn in call.turns:
            levels = np.abs(np.frombuffer(turn.pcm, "<i2").astype(int))
            loud_ms = np.flatnonzero(levels > levels.max() / 20) / 16
            assert abs(loud_ms[0] - LEAD_MS) < 60
            assert abs(loud_ms[-1] - turn.end_ms) < 60
            assert abs(len(turn.pcm) / 32 - turn.end_ms - TAIL_MS) < 1
            gaps_ms = np.diff(loud_ms)
            assert (gaps_ms > 100).sum() >= len(turn.pauses_ms)
            assert [word.end_ms for word in turn.words] == sorted(word.end_ms for word in turn.words)


async def test_a_longer_timer_cuts_fewer_turns_off_and_waits_as_long_as_it_says() -> None:
    engine = SileroSmartTurn(TurnSettings(judge_deadline_ms=60_000, engine_timeout_ms=60_000))
    await engine.start()
    try:
        call = list(make_calls(7, 3, turns=4))[2]
        heard = [await hear(engine, turn) for turn in call.turns]
        cut_off = {}
        for timer_ms in (200, 1500):
            capabilities = replace(engine.capabilities, uses_audio_model=False, fixed_delay_ms=timer_ms)
            ended = await Replay(engine, Policy("timer", timer_ms=timer_ms), capabilities, 0).run(call, heard)
            cut_off[timer_ms] = sum(one.is_cut_off for one in ended)
            delays_ms = [one.delay_ms for one in ended if one.delay_ms is not None]
            assert delays_ms
            assert all(abs(delay_ms - timer_ms) < 150 for delay_ms in delays_ms)
        ours = await Replay(engine, Policy("ours"), engine.capabilities, 0).run(call, heard)
    finally:
        await engine.close()
    assert cut_off[200] > cut_off[1500]
    assert [one.number for one in ours] == [0, 1, 2, 3]
    assert any(turn.judged for turn in heard)
