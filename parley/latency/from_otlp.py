"""Turns out of the spans that a collector's file exporter wrote: OTLP as JSON, one export a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from parley.errors import LatencyError
from parley.latency.statistics import Turn
from services.common import spans

_WANTED = frozenset({spans.CONVERSATION, spans.TURN, spans.TURN_RESPONSE, *spans.LINE_NAMES})


@dataclass(frozen=True, slots=True)
class _Span:
    span_id: str
    parent_id: str
    name: str
    begin_ns: int
    end_ns: int
    attributes: dict[str, Any]


def turns_of_otlp(
    lines: Iterable[str], named: str, *, session_id: str = "", since_s: float | None = None
) -> tuple[list[Turn], int]:
    """Return the turns that answered speech, and how many others there were. Raises LatencyError.

    `since_s`: only turns that ended so long before the newest, or less. A last line that is cut off is left out: the
    exporter may be writing it.
    """
    found = {span.span_id: span for span in _spans(lines, named)}  # the collector may have been sent one twice
    below: dict[str, dict[str, _Span]] = {}
    for span in found.values():
        if span.name in spans.LINE_NAMES:
            below.setdefault(span.parent_id, {})[span.name] = span
    turns: list[Turn] = []
    others = 0
    for span in found.values():
        if session_id not in ("", span.attributes.get(spans.SESSION_ID)):
            continue
        if span.name == spans.TURN:
            others += 1
        elif span.name == spans.TURN_RESPONSE and (turn := _turn(span, found, below.get(span.span_id, {}))) is not None:
            turns.append(turn)
    if since_s is not None and turns:
        newest_s = max(turn.at_s or 0.0 for turn in turns)
        kept = [turn for turn in turns if (turn.at_s or 0.0) >= newest_s - since_s]
        return kept, 0
    return turns, max(0, others - len(turns))


def _turn(response: _Span, found: dict[str, _Span], lines: dict[str, _Span]) -> Turn | None:
    if spans.CAPTURE not in lines or spans.TRANSIT_OUT not in lines:
        return None  # typed text has no end of speech, and what was never heard no end
    turn = found.get(response.parent_id)
    call = found.get(turn.parent_id) if turn is not None else None
    outcome = str(turn.attributes.get(spans.TURN_OUTCOME, "")) if turn is not None else ""
    known = {
        name: (lines[name].end_ns - lines[name].begin_ns) / 1e6
        for name in spans.LINE_NAMES
        if name in lines and lines[name].attributes.get(spans.LINE_IS_KNOWN, True)
    }
    return Turn(
        known,
        session_id=str(response.attributes.get(spans.SESSION_ID, "")),
        agent=str(call.attributes.get(spans.AGENT, "")) if call is not None else "",
        epoch=int(response.attributes.get(spans.TURN_EPOCH, 0)),
        outcome="" if outcome == "answer" else outcome,
        at_s=response.end_ns / 1e9,
        hidden_ms=turn.attributes.get(spans.TURN_HIDDEN_MS) if turn is not None else None,
    )


def _spans(lines: Iterable[str], named: str) -> Iterator[_Span]:
    broken = ""
    for number, line in enumerate(lines, 1):
        if broken:
            raise LatencyError(broken)
        if not line.strip():
            continue
        try:
            yield from _of_export(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            broken = f"{named}, line {number}: no OTLP export as JSON ({type(error).__name__})"
            if number == 1:
                raise LatencyError(broken) from error


def _of_export(export: dict[str, Any]) -> list[_Span]:
    """Return the spans that matter. An export of metrics or logs has none."""
    return [
        _Span(
            span["spanId"],
            span.get("parentSpanId", ""),
            span["name"],
            int(span["startTimeUnixNano"]),
            int(span["endTimeUnixNano"]),
            {entry["key"]: _value(entry.get("value", {})) for entry in span.get("attributes", [])},
        )
        for resource in export.get("resourceSpans", [])
        for scope in resource.get("scopeSpans", [])
        for span in scope.get("spans", [])
        if span["name"] in _WANTED
    ]


def _value(value: dict[str, Any]) -> Any:
    # OTLP's JSON writes 64-bit integers as strings.
    return int(value["intValue"]) if "intValue" in value else next(iter(value.values()), None)
