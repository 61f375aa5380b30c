"""Distance between services, streaming against waiting: what is worked out, and the delaying of bytes."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from bench import colocation, sequential, under_load
from bench.delay import Delays, pump

pytestmark = pytest.mark.unit


class Kept:
    """A writer that keeps what is written, and when by the loop's clock."""

    def __init__(self) -> None:
        self.chunks: list[tuple[float, bytes]] = []
        self.is_ended = False

    def write(self, data: bytes) -> None:
        self.chunks.append((asyncio.get_running_loop().time(), data))

    async def drain(self) -> None:
        return

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_ended = True


async def pumped(delay_s: float) -> tuple[float, Kept]:
    reader, kept = asyncio.StreamReader(), Kept()
    task = asyncio.create_task(pump(reader, cast(Any, kept), delay_s))
    began_s = asyncio.get_running_loop().time()
    for part in (b"one", b"two", b"three"):
        reader.feed_data(part)
        await asyncio.sleep(0)
    reader.feed_eof()
    await task
    return began_s, kept


@pytest.mark.parametrize("delay_s", [0.0, 0.02])
async def test_bytes_come_through_in_order_whole_and_never_early(delay_s: float) -> None:
    began_s, kept = await pumped(delay_s)
    assert b"".join(data for _, data in kept.chunks) == b"onetwothree"
    assert all(at_s >= began_s + delay_s for at_s, _ in kept.chunks)
    assert kept.is_ended


async def test_what_breaks_at_the_far_end_is_raised() -> None:
    reader, kept = asyncio.StreamReader(), Kept()
    reader.set_exception(ConnectionResetError())
    with pytest.raises(ConnectionResetError):
        await pump(reader, cast(Any, kept), 0.0)


async def test_a_stage_that_is_not_far_away_is_asked_itself() -> None:
    async with Delays(("asr",), 0.0) as delays:
        delays.lead_to(lambda stage: f"{stage}:1")
        assert delays.environment() == {}
        assert delays.target("asr") == "asr:1"


def distance(hop_ms: float, turn: float, series: float, early: float, speculating: float) -> dict[str, Any]:
    chain = {
        "series": {"p50_ms": series},
        "finalised_early": {"p50_ms": early},
        "speculating": {"p50_ms": speculating},
    }
    return {"hop_ms": hop_ms, "turn_p50_ms": turn, "chain": chain}


def test_network_is_what_a_turn_has_beyond_the_same_turn_at_no_distance() -> None:
    made = colocation.network({"none": distance(0, 100, 95, 85, 0), "distributed": distance(75, 325, 320, 235, 80)})
    assert list(made) == ["distributed"]
    told = made["distributed"]
    assert (told["expected_ms"], told["turn_ms"], told["series_ms"]) == (225, 225, 225)
    assert told["hidden_by_finalising_early_ms"] == 75
    assert told["hidden_by_speculation_ms"] == 145


def test_saved_is_what_waiting_takes_longer() -> None:
    def entry(p50: float | None) -> dict[str, Any]:
        spread = {"p50_ms": p50, "p95_ms": p50}
        return {"turn_in_series": spread, "turn_transcript_ready": spread}

    assert set(sequential.saved({"streaming": entry(300), "sequential": entry(1100)}).values()) == {800}
    assert set(sequential.saved({"streaming": entry(None), "sequential": entry(1100)}).values()) == {None}


def test_services_of_a_run_leave_the_callers_out() -> None:
    entry = {
        "cpu_cores": {"orchestrator": 0.25, "load": 0.5},
        "rss_mb_by_service": {"orchestrator": 90.0, "load": 60.0},
    }
    told = under_load.services(entry, 25)
    assert told == {"orchestrator": {"cpu_s_per_call_minute": 0.6, "cpu_cores": 0.25, "rss_mb": 90.0}}
