"""Turns out of reports and out of spans as a collector's file exporter writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from parley.errors import LatencyError
from parley.latency.from_otlp import turns_of_otlp
from parley.latency.from_report import turns_of_report
from services.common import spans
from services.common.turn_log import TurnEntry

pytestmark = pytest.mark.unit

HOPS = {"capture": 8.0, "transit_in": 0.0, "vad_hold": 120.5, "transit_out": 0.0, "network_and_client": 3.0}
SUMMARY = {
    "event": "call_summary",
    "turns": [
        {"user_text": "", "voice_to_voice_ms": None, "hops_ms": {}},
        {"user_text": "secret", "voice_to_voice_ms": 131.5, "hops_ms": HOPS},
    ],
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(SUMMARY, indent=2),
        f'{{"event": "started"}}\n"text"\nnot json\n{json.dumps(SUMMARY)}\n',
    ],
    ids=["report.json", "parley call --json"],
)
def test_a_report_s_turns_are_those_that_answered_speech(text: str) -> None:
    turns, others = turns_of_report(text, "it")
    assert others == 1
    (turn,) = turns
    assert turn.epoch == 2
    assert turn.total_ms == pytest.approx(131.5)
    assert turn.lines_ms == {"capture": 8.0, "vad_hold": 120.5, "network_and_client": 3.0}, "unknown transits are none"


def test_a_report_without_a_summary_or_of_another_version_is_told() -> None:
    with pytest.raises(LatencyError, match="it holds no call summary"):
        turns_of_report('{"event": "started"}', "it")
    old = json.dumps(SUMMARY).replace("vad_hold", "endpointing")
    with pytest.raises(LatencyError, match=r"hops of another version \(endpointing\)"):
        turns_of_report(old, "it")


def span(name: str, span_id: str, parent: str, begin_ms: float, end_ms: float, **told: Any) -> dict[str, Any]:
    kinds = {bool: "boolValue", str: "stringValue", float: "doubleValue", int: "intValue"}
    return {
        "traceId": "a" * 32,
        "spanId": span_id,
        "parentSpanId": parent,
        "name": name,
        "startTimeUnixNano": str(round(begin_ms * 1e6)),
        "endTimeUnixNano": str(round(end_ms * 1e6)),
        "attributes": [
            {"key": key, "value": {kinds[type(value)]: str(value) if type(value) is int else value}}
            for key, value in told.items()
        ],
    }


def export(*found: dict[str, Any]) -> str:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(found)}]}]}) + "\n"


def turn_spans(session: str, epoch: int, begin_ms: float, *, is_known: bool = True) -> list[dict[str, Any]]:
    """Return a turn whose lines take 1 ms, 2 ms, 3 ms and so on."""
    told: dict[str, Any] = {spans.SESSION_ID: session, spans.TURN_EPOCH: epoch}
    mine = f"{session}-{epoch}"
    made = []
    at_ms = begin_ms
    for number, name in enumerate(spans.LINE_NAMES, 1):
        known = {} if is_known or not name.startswith("transit") else {spans.LINE_IS_KNOWN: False}
        made.append(span(name, f"{mine}-{name}", f"{mine}-response", at_ms, at_ms + number, **known))
        at_ms += number
    made.append(span(spans.TURN_RESPONSE, f"{mine}-response", f"{mine}-turn", begin_ms, at_ms, **told))
    return [*made, span(spans.TURN, f"{mine}-turn", session, begin_ms, at_ms, **told, **{spans.TURN_OUTCOME: "answer"})]


def greeting(session: str) -> dict[str, Any]:
    return span(spans.TURN, f"{session}-1-turn", session, 0, 1, **{spans.SESSION_ID: session, spans.TURN_EPOCH: 1})


def call_span(session: str) -> dict[str, Any]:
    return span(spans.CONVERSATION, session, "", 0, 1, **{spans.SESSION_ID: session, spans.AGENT: "desk"})


def test_spans_become_turns_whatever_their_order_and_however_often_they_came() -> None:
    first = turn_spans("one", 2, 1000.0)
    other = export(span("gen_ai.other", "x", "", 0, 1))
    lines = [export(*first[5:]), other, "\n", '{"resourceMetrics": []}\n', export(*first[:9], greeting("one")),
             export(call_span("one"))]  # fmt: skip
    turns, others = turns_of_otlp(lines, "it")
    assert others == 1
    (turn,) = turns
    assert (turn.session_id, turn.agent, turn.epoch, turn.outcome) == ("one", "desk", 2, "")
    assert turn.lines_ms == {name: float(number) for number, name in enumerate(spans.LINE_NAMES, 1)}
    assert list(turn.lines_ms) == list(spans.LINE_NAMES)
    assert turn.at_s == pytest.approx(1.0 + sum(turn.lines_ms.values()) / 1000)


def test_lines_that_are_not_known_and_turns_that_were_never_heard_are_left_out() -> None:
    never_heard = turn_spans("one", 4, 0)
    never_heard = [entry for entry in never_heard if entry["name"] != spans.TRANSIT_OUT]
    turns, others = turns_of_otlp([export(*turn_spans("one", 2, 0, is_known=False), *never_heard)], "it")
    assert [turn.epoch for turn in turns] == [2]
    assert others == 1
    assert not {spans.TRANSIT_IN, spans.TRANSIT_OUT} & set(turns[0].lines_ms)


def test_a_session_or_the_newest_turns_can_be_chosen() -> None:
    lines = [export(*turn_spans("one", 2, 0), *turn_spans("one", 4, 60_000), *turn_spans("two", 2, 90_000))]
    chosen, _ = turns_of_otlp(lines, "it", session_id="one")
    assert [turn.epoch for turn in chosen] == [2, 4]
    newest, _ = turns_of_otlp(lines, "it", since_s=45)
    assert [(turn.session_id, turn.epoch) for turn in newest] == [("one", 4), ("two", 2)]


def test_a_last_line_that_is_being_written_is_left_out_and_any_other_told() -> None:
    whole = export(*turn_spans("one", 2, 0))
    turns, _ = turns_of_otlp([whole, whole[: len(whole) // 2]], "it")
    assert len(turns) == 1
    with pytest.raises(LatencyError, match="it, line 2: no OTLP export"):
        turns_of_otlp([whole, "rubbish", whole], "it")
    with pytest.raises(LatencyError, match="it, line 1: no OTLP export"):
        turns_of_otlp(["rubbish"], "it")


def test_what_is_logged_of_a_turn_is_read_back() -> None:
    entry = TurnEntry("one", "desk", 2, "", 12.5, {"capture": 10.123456, "vad_hold": 2.25}, 3.5)
    read = TurnEntry.from_fields(entry.to_fields())
    assert read.hidden_ms == 3.5
    fields = replace(entry, hidden_ms=None).to_fields()
    assert TurnEntry.from_fields(fields).hidden_ms is None
    assert TurnEntry.from_fields({name: fields[name] for name in fields if name != "hidden_ms"}).hidden_ms is None
    assert (read.session_id, read.agent, read.epoch, read.response_ms) == ("one", "desk", 2, 12.5)
    assert read.lines_ms == {"capture": 10.123, "vad_hold": 2.25}


@pytest.mark.parametrize("changed", [{"lines": "[]"}, {"lines": "{"}, {"epoch": "x"}, {"lines": '{"a": "b"}'}])
def test_an_entry_of_another_kind_is_refused(changed: dict[str, str]) -> None:
    fields = TurnEntry("one", "desk", 2, "", 12.5).to_fields()
    with pytest.raises(ValueError, match="no entry of parley:turns"):
        TurnEntry.from_fields(fields | changed)
    with pytest.raises(ValueError, match="no entry of parley:turns"):
        TurnEntry.from_fields({})
