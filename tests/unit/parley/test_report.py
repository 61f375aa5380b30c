from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from parley.events import Hop, TurnSummary
from parley.report import BAR_CELLS, CLIENT_HOP, call_summary, hops_ms, waterfall

pytestmark = pytest.mark.unit

TURN = TurnSummary(
    at_ms=0,
    turn_epoch=2,
    user_text="when are you open",
    agent_text="From nine to five.",
    heard_text="From nine",
    interrupted=True,
    response_ms=230,
    hops=(
        Hop(name="vad_hold", duration_ms=200.04, server_ms=0),
        Hop(name="llm_first_token", duration_ms=10, server_ms=8),
        Hop(name="tts_first_audio", duration_ms=20, server_ms=5),
    ),
    tool_calls=0,
    outcome="",
    voice_to_voice_ms=262.5,
)


def test_hops_are_the_server_s_and_what_lies_beyond_them() -> None:
    assert hops_ms(TURN) == {"vad_hold": 200.0, "llm_first_token": 10, "tts_first_audio": 20, CLIENT_HOP: 32.5}


def test_a_turn_that_was_not_measured_here_has_the_server_s_hops_alone() -> None:
    assert CLIENT_HOP not in hops_ms(replace(TURN, voice_to_voice_ms=None))


def test_the_client_s_part_is_never_negative() -> None:
    assert hops_ms(replace(TURN, voice_to_voice_ms=100.0))[CLIENT_HOP] == 0


def test_the_summary_holds_what_the_issue_names() -> None:
    greeting = replace(TURN, user_text="", hops=(), voice_to_voice_ms=None, interrupted=False)
    summary = call_summary([greeting, TURN])
    assert summary["event"] == "call_summary"
    assert summary["turns"][0]["voice_to_voice_ms"] is None
    assert summary["turns"][1] == {
        "user_text": "when are you open",
        "agent_text": "From nine to five.",
        "heard_text": "From nine",
        "interrupted": True,
        "voice_to_voice_ms": 262.5,
        "hops_ms": hops_ms(TURN),
        "speculated": False,
        "hidden_ms": 0,
    }


def test_an_answer_that_was_begun_on_a_guess_tells_what_that_hid() -> None:
    told = [line.plain for line in waterfall(replace(TURN, speculated=True, hidden_ms=12), is_plain=True)]
    assert told[:-1] == [line.plain for line in waterfall(TURN, is_plain=True)]
    assert "12 ms of it hidden by speculation" in told[-1]


def test_the_bars_of_a_waterfall_lie_end_to_end() -> None:
    lines = [line.plain for line in waterfall(TURN, is_plain=True)]
    bars = [
        line[line.index("vad_hold") + len(CLIENT_HOP) + 1 :] if number == 0 else line[4 + len(CLIENT_HOP) + 1 :]
        for number, line in enumerate(lines[:-1])
    ]
    spans = [(bar.index("#"), bar.rindex("#")) for bar in bars]
    assert spans[0][0] == 0
    assert spans[-1][1] == BAR_CELLS - 1
    assert all(later[0] in (earlier[1], earlier[1] + 1) for earlier, later in pairwise(spans))
    assert "262.5 ms" in lines[-1]


def test_a_turn_without_hops_has_no_waterfall() -> None:
    assert waterfall(replace(TURN, hops=(), voice_to_voice_ms=None)) == []
