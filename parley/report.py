"""What is told of a call when it is over: the summary, and a latency waterfall for each turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from parley.events import TurnSummary

CLIENT_HOP = "network_and_client"
"""What voice_to_voice_ms has beyond the server's hops: where the two date the end of speech differently, and, where
nothing is acknowledged, the way there and back. 0 where the server dates it earlier by more than that."""
BAR_CELLS = 48
_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "red")


def hops_ms(turn: TurnSummary) -> dict[str, float]:
    """Return where the turn's time went, by hop, in order; the client's own part last, where it was measured."""
    hops: dict[str, float] = {}
    for hop in turn.hops:
        hops[hop.name] = round(hops.get(hop.name, 0.0) + hop.duration_ms, 1)
    if turn.voice_to_voice_ms is not None:
        hops[CLIENT_HOP] = round(max(0.0, turn.voice_to_voice_ms - sum(hops.values())), 1)
    return hops


def turn_entry(turn: TurnSummary) -> dict[str, Any]:
    """Return one turn of the call summary."""
    measured = turn.voice_to_voice_ms
    return {
        "user_text": turn.user_text,
        "agent_text": turn.agent_text,
        "heard_text": turn.heard_text,
        "interrupted": turn.interrupted,
        "voice_to_voice_ms": None if measured is None else round(measured, 1),
        "hops_ms": hops_ms(turn),
        "speculated": turn.speculated,
        "hidden_ms": turn.hidden_ms,
    }


def call_summary(turns: Iterable[TurnSummary]) -> dict[str, Any]:
    """Return the call summary: the last event of `parley call --json`."""
    return {"event": "call_summary", "turns": [turn_entry(turn) for turn in turns]}


def waterfall(turn: TurnSummary, *, is_plain: bool = False) -> list[Text]:
    """Return the turn's latency as lines: a bar a hop, each beginning where the one before ends, and the total.

    `is_plain`: bars of ASCII, for a terminal that may know no other.
    """
    hops = hops_ms(turn)
    total_ms = sum(hops.values())
    if total_ms <= 0:
        return []
    width = max(len(name) for name in (*hops, "voice to voice"))
    lines = []
    begun_ms = 0.0
    for index, (name, duration_ms) in enumerate(hops.items()):
        start = round(begun_ms / total_ms * BAR_CELLS)
        begun_ms += duration_ms
        cells = max(1 if duration_ms else 0, round(begun_ms / total_ms * BAR_CELLS) - start)
        bar = " " * min(start, BAR_CELLS - cells) + ("#" if is_plain else "█") * cells
        colour = _COLOURS[index % len(_COLOURS)]
        lines.append(
            Text.assemble(
                (f"    {name.ljust(width)} ", "dim"), (bar.ljust(BAR_CELLS), colour), f" {duration_ms:7.1f} ms"
            )
        )
    measured = turn.voice_to_voice_ms
    title, figure = ("voice to voice", measured) if measured is not None else ("at the server", float(turn.response_ms))
    lines.append(Text.assemble(f"    {title.ljust(width)} {'':{BAR_CELLS}} ", (f"{figure:7.1f} ms", "bold")))
    if turn.speculated:
        lines.append(Text(f"    {turn.hidden_ms} ms of it hidden by speculation: done before the turn was over", "dim"))
    return lines


def print_waterfalls(console: Console, turns: Sequence[TurnSummary]) -> None:
    """Print a waterfall for each turn that has one."""
    plain = not console.is_terminal or "utf" not in console.encoding.lower()
    for number, turn in enumerate(turns, 1):
        lines = waterfall(turn, is_plain=plain)
        if lines:
            console.print(Text(f"  turn {number}: {turn.user_text or '(the agent began)'}", "bold"))
            for line in lines:
                console.print(line, soft_wrap=True)
