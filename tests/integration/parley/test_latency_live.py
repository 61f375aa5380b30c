"""The turns of a real call, as they are found in Redis and in what a collector wrote: the same ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from google.protobuf import json_format
from opentelemetry.proto.trace.v1 import trace_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley import cli
from parley.latency.from_otlp import turns_of_otlp
from parley.latency.from_redis import turns_of_redis
from parley.latency.statistics import Turn
from services.common import spans
from services.common.turn_log import STREAM, TurnEntry
from tests.support.caller import Caller, calling, start_of
from tests.support.collector import Collector, tracing
from tests.support.redis import RedisServer
from tests.support.stack import stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

WORD = "tangerine"


async def ask(caller: Caller) -> pb.TurnSummary:
    """Speak, acknowledge what is heard, and return the summary."""
    since = caller.mark()
    await caller.say()
    heard = await caller.next(lambda response: response.HasField("audio"), since)
    progress = pb.PlaybackProgress(turn_epoch=heard.audio.turn_epoch, played_ms=0)
    await caller.send(pb.ConverseRequest(playback_progress=progress))
    summary: pb.TurnSummary = await caller.kind("turn_summary", since)
    return summary


def exported(collector: Collector) -> list[str]:
    """Return the spans as the collector's file exporter writes them: one export a line, IDs in hexadecimal."""
    lines = []
    for span in collector.spans:
        told: dict[str, Any] = json_format.MessageToDict(trace_pb2.Span.FromString(span.raw))
        told |= {"traceId": span.trace_id, "spanId": span.id, "parentSpanId": span.parent_id}
        lines.append(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [told]}]}]}))
    return lines


def by_epoch(turns: list[Turn]) -> dict[int, Turn]:
    return {turn.epoch: turn for turn in turns}


async def test_redis_and_the_collector_tell_of_the_same_turns(
    redis_server: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {"fake_texts": (WORD,)}
    async with (
        tracing() as collector,
        stack(tmp_path, orchestrator={"redis_url": redis_server.url}, asr=texts) as parts,
        calling(parts.channel, start_of(sends_playback_progress=True)) as caller,
    ):
        session_id = caller.all("started")[0].session_id
        summaries = [await ask(caller) for _ in range(2)]
        await caller.send(pb.ConverseRequest(end=pb.EndConversation()))
        await caller.over()
    logged, others = turns_of_redis(redis_server.url, session_id=session_id, since_s=60)
    assert others == 1, "the greeting"
    traced, others = turns_of_otlp(exported(collector), "it", session_id=session_id)
    assert others == 1
    assert list(by_epoch(logged)) == [summary.turn_epoch for summary in summaries]
    assert set(by_epoch(traced)) == set(by_epoch(logged))
    for summary in summaries:
        here, there = by_epoch(logged)[summary.turn_epoch], by_epoch(traced)[summary.turn_epoch]
        assert list(here.lines_ms) == [name for name in spans.LINE_NAMES if name != spans.MIN_GAP]
        assert here.lines_ms == pytest.approx(dict(there.lines_ms), abs=0.01)
        assert here.total_ms == pytest.approx(summary.response_ms, abs=2)
        assert (here.session_id, here.agent, here.outcome) == (there.session_id, there.agent, there.outcome)
        assert here.agent == "tester"
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        assert WORD not in str(client.xrange(STREAM))
    assert cli.main(["latency", "--redis", redis_server.url, "--html", str(tmp_path / "page.html")]) == 0
    assert "2 turns of the last 15 m in Redis" in capsys.readouterr().out
    assert WORD not in (tmp_path / "page.html").read_text()


async def test_only_the_window_and_the_session_are_read_and_no_turn_twice(redis_server: RedisServer) -> None:
    entry = TurnEntry("one", "desk", 2, "", 120.0, {"vad_hold": 120.0})
    with redis.Redis.from_url(redis_server.url) as client:

        def log(logged: TurnEntry, entry_id: str = "*") -> None:
            fields: dict[Any, Any] = {**logged.to_fields()}
            client.xadd(STREAM, fields, id=entry_id)

        log(replace(entry, epoch=9), "1000-0")
        for epoch in range(2, 1600):
            log(replace(entry, epoch=epoch))
        log(replace(entry, epoch=5))
        log(replace(entry, session_id="two"))
        log(replace(entry, session_id="two", epoch=4, response_ms=0.0, lines_ms={}))
        newest, others = turns_of_redis(redis_server.url, since_s=3600)
        assert (len(newest), others) == (1599, 1)
        chosen, _ = turns_of_redis(redis_server.url, session_id="two")
        assert [turn.epoch for turn in chosen] == [2]
        everything, _ = turns_of_redis(redis_server.url)
        assert len(everything) == 1599, "the oldest is a turn that is there twice"
        client.xadd(STREAM, {"other": "release"})
        log(replace(entry, session_id="three", lines_ms={"of_another_release": 120.0}))
        readable, others = turns_of_redis(redis_server.url)
        assert (len(readable), others) == (1599, 2)
