"""Turns out of report.json of `parley demo`, or out of what `parley call --json` printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from parley.errors import LatencyError
from parley.latency.budget import LINE_NAMES
from parley.latency.statistics import Turn
from services.common import spans

_TRANSITS = (spans.TRANSIT_IN, spans.TRANSIT_OUT)


def turns_of_report(text: str, named: str) -> tuple[list[Turn], int]:
    """Return the turns that answered speech, and how many others there were. Raises LatencyError.

    Takes the summary alone, or as one of many lines. `named`: what the text is, for messages.
    """
    summaries = [entry for entry in _documents(text) if entry.get("event") == "call_summary"]
    if not summaries:
        raise LatencyError(f"{named} holds no call summary: it is to be report.json, or what `parley call --json` says")
    found: list[Turn] = []
    others = 0
    for summary in summaries:
        for number, entry in enumerate(summary["turns"], 1):
            hops = entry["hops_ms"]
            if entry["voice_to_voice_ms"] is None or not hops:
                others += 1
                continue
            unknown = sorted(set(hops) - set(LINE_NAMES))
            if unknown:
                raise LatencyError(f"{named} has hops of another version ({', '.join(unknown)}): make it anew")
            # Half a round trip is never nothing: 0 says that the caller acknowledged nothing.
            lines = {name: float(hops[name]) for name in LINE_NAMES if name in hops}
            known = {name: ms for name, ms in lines.items() if ms or name not in _TRANSITS}
            hidden_ms = float(entry["hidden_ms"]) if entry.get("speculated") else None
            found.append(Turn(known, epoch=number, hidden_ms=hidden_ms))
    return found, others


def _documents(text: str) -> Iterator[dict[str, Any]]:
    try:
        yield json.loads(text)
        return
    except ValueError:
        pass
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
